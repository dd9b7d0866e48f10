"""The Financial PhraseBank as it is distributed (four files of `sentence@label`, in a folder or a zip), and its bands.

P. Malo, A. Sinha, P. Korhonen, J. Wallenius and P. Takala, "Good debt or bad debt: detecting semantic orientations
in economic texts", 2014. Each file holds the sentences on whose label at least that share of annotators agrees, so
the files nest.
"""

import struct
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from newsfolio.shared.errors import first_line
from nlp.errors import CorpusError
from nlp.labels import LABELS

FILES = {
    50: "Sentences_50Agree.txt",
    66: "Sentences_66Agree.txt",
    75: "Sentences_75Agree.txt",
    100: "Sentences_AllAgree.txt",
}
BANDS = tuple(FILES)  # per cent of the annotators who agree, at least
# A band reaches from its own bound up to the next: the share is in [50, 66), [66, 75) or [75, 100) per cent, and
# its middle, 58, 70.5 and 87.5, is the estimate whose largest error is least. The last band is all of them.
SHARES = {low: (low + high) / 200.0 for low, high in pairwise(BANDS)} | {100: 1.0}
LARGEST = 16 * 2**20  # bytes of one file unpacked; those distributed have less than one million


def phrasebank_rows(source: str | Path) -> pd.DataFrame:
    """Return text, label and agree: the highest of 50, 66, 75 and 100 whose file holds the sentence.

    source: the zip, read in memory; the folder; or a single one of the files, which says nothing of the others:
    then there is no column agree. Repeats and contradictions are left in (see checked_rows). The files are in
    Latin-1; one that was saved again as UTF-8 is read too, as Latin-1 text with an accent is hardly ever valid UTF-8.

    Raises:
        CorpusError: one of the four files is missing, too large or cannot be read, or a line has no label.
    """
    path = Path(source)
    if path.suffix == ".txt":
        return _lines(_read_file(path), str(path))
    if path.suffix == ".zip":
        if not path.is_file():
            raise CorpusError(f"{path}: no such file")
        try:
            with zipfile.ZipFile(path) as archive:
                files = _unpacked(archive, path)
        except _UNREADABLE as error:
            raise CorpusError(f"{path}: cannot be read as zip: {first_line(error)}") from error
    elif path.is_dir():
        found = {name: [*path.glob(name), *path.glob(f"*/{name}")] for name in FILES.values()}
        _need_each_once({name: len(paths) for name, paths in found.items()}, path)
        files = {band: _read_file(found[name][0]) for band, name in FILES.items()}
    else:
        raise CorpusError(f"{path}: no such folder")
    parts = [_lines(files[band], f"{path}: {name}").assign(agree=band) for band, name in FILES.items()]
    lines = pd.concat(parts, ignore_index=True)
    # One row per line of the widest file: the second copy of a sentence there is matched with second copies only.
    nth = lines.groupby(["agree", "text", "label"]).cumcount()
    highest = lines.assign(nth=nth).groupby(["text", "label", "nth"], sort=False)["agree"].max()
    return highest.reset_index().drop(columns="nth")


def _lines(data: bytes, where: str) -> pd.DataFrame:
    if b"\0" in data:
        raise CorpusError(f"{where}: holds null bytes, so it is no Latin-1 text: take the file as it is distributed")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    rows = []
    # Not splitlines: to it the byte 85 is the end of a line, and so are five other characters.
    for number, line in enumerate(text.split("\n"), 1):
        sentence, at, label = line.rpartition("@")
        if at and label.strip() in LABELS:
            rows.append((sentence, label.strip()))
        elif line.strip():
            raise CorpusError(
                f"{where}: line {number}: {line[-40:]!r} does not end in @negative, @neutral or @positive: "
                "take the file as it is distributed"
            )
    return pd.DataFrame(rows, columns=["text", "label"], dtype=str)


def _read_file(path: Path) -> bytes:
    try:
        _refuse_large(path.stat().st_size, str(path))
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror or error}") from error


# A password or an unknown method is a RuntimeError; damage shows as any of the others.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, UnicodeDecodeError, EOFError, RuntimeError, OSError)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _unpacked(archive: zipfile.ZipFile, path: Path) -> dict[int, bytes]:
    """Nothing is written to disk, so no name in the archive can lead anywhere; sizes are refused as declared.

    A size declared too small is no way round: zipfile stops there, and finds the checksum wrong.
    """
    found = {
        name: [member for member in archive.infolist() if PurePosixPath(member.filename).name == name]
        for name in FILES.values()
    }
    _need_each_once({name: len(members) for name, members in found.items()}, path)
    for name, members in found.items():
        _refuse_large(members[0].file_size, f"{path}: {name}")
        if members[0].compress_type not in _METHODS:
            raise CorpusError(
                f"{path}: {name}: is packed in an unusual way: zip it again with the usual method, deflate"
            )
    return {band: archive.read(found[name][0]) for band, name in FILES.items()}


def _refuse_large(size: int, where: str) -> None:
    if size > LARGEST:
        raise CorpusError(f"{where}: {size:,} bytes, more than {LARGEST:,}: this is not the Financial PhraseBank")


def _need_each_once(times: dict[str, int], path: Path) -> None:
    missing = [name for name, count in times.items() if not count]
    if missing:
        raise CorpusError(
            f"{path}: holds no {', '.join(missing)}: only the four files of the Financial PhraseBank together show "
            "how many annotators agree; pass all, or a single one"
        )
    twice = [name for name, count in times.items() if count > 1]
    if twice:
        raise CorpusError(f"{path}: holds {twice[0]} more than once: leave one copy")


def share_agreeing(labelled: pd.DataFrame) -> pd.Series:
    """Return for each row the share of annotators who gave its label, in (0.5, 1], aligned with the rows.

    The share is the middle of the row's band in the column `agree` (50, 66, 75 or 100): 0.58, 0.705, 0.875 or 1.
    A row without a band, and every row where there is no such column, has the share 1: its label is all that is
    known: corpora with bands can be concatenated with others.

    Raises:
        CorpusError: a value of `agree` is no band.
    """
    if "agree" not in labelled.columns:
        return pd.Series(1.0, index=labelled.index, name="share")
    agree = labelled["agree"].astype(object)
    share = agree.map(SHARES).astype(float).mask(agree.isna(), 1.0)
    wrong = np.flatnonzero(share.isna())
    if len(wrong):
        raise CorpusError(
            f"row {wrong[0] + 1}: agree is {agree.iloc[wrong[0]]!r}, which is no band: the bands are "
            f"{', '.join(map(str, BANDS))} per cent ({len(wrong)} such rows)"
        )
    return share.rename("share")

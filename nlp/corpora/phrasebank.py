"""The Financial PhraseBank as it is distributed: four files of `sentence@label`, in a folder or a zip.

P. Malo, A. Sinha, P. Korhonen, J. Wallenius and P. Takala, "Good debt or bad debt: detecting semantic orientations
in economic texts", 2014. Each file holds the sentences on whose label at least that share of annotators agrees, so
the files nest.
"""

import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pandas as pd

from nlp.errors import CorpusError
from nlp.labels import LABELS

FILES = {
    50: "Sentences_50Agree.txt",
    66: "Sentences_66Agree.txt",
    75: "Sentences_75Agree.txt",
    100: "Sentences_AllAgree.txt",
}
LARGEST = 16 * 2**20  # bytes of one file unpacked; those distributed have less than one million


def phrasebank_rows(source: str | Path) -> pd.DataFrame:
    """Return text, label and agree: the highest of 50, 66, 75 and 100 whose file holds the sentence.

    source: the zip, read in memory; the folder; or a single one of the files, which tells nothing of the others:
    then there is no column agree. Repeats and contradictions are left in (see checked_rows). The files are in
    Latin-1; one that was saved again as UTF-8 is read too, as Latin-1 text with an accent is hardly ever valid UTF-8.

    Raises:
        CorpusError: one of the four files is missing, too large or cannot be read, or a line bears no label.
    """
    path = Path(source)
    if path.suffix == ".txt":
        return _lines(_read_file(path), str(path))
    files = _from_zip(path) if path.suffix == ".zip" else _from_folder(path)
    parts = [_lines(files[band], f"{path}: {name}").assign(agree=band) for band, name in FILES.items()]
    return _highest_band(pd.concat(parts, ignore_index=True))


def _highest_band(lines: pd.DataFrame) -> pd.DataFrame:
    """One row per line of the widest file: the second copy of a sentence there is matched with second copies only."""
    nth = lines.groupby(["agree", "text", "label"]).cumcount()
    highest = lines.assign(nth=nth).groupby(["text", "label", "nth"], sort=False)["agree"].max()
    return highest.reset_index().drop(columns="nth")


def _lines(data: bytes, where: str) -> pd.DataFrame:
    rows = []
    # Not splitlines: to it the byte 85 is the end of a line, and so are five other characters.
    for number, line in enumerate(_decoded(data, where).split("\n"), 1):
        sentence, at, label = line.rpartition("@")
        if at and label.strip() in LABELS:
            rows.append((sentence, label.strip()))
        elif line.strip():
            raise CorpusError(
                f"{where}: line {number}: {line[-40:]!r} does not end in @negative, @neutral or @positive: "
                "take the file as it is distributed"
            )
    return pd.DataFrame(rows, columns=["text", "label"], dtype=str)


def _decoded(data: bytes, where: str) -> str:
    if b"\0" in data:
        raise CorpusError(f"{where}: holds null bytes, so it is no Latin-1 text: take the file as it is distributed")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _from_folder(folder: Path) -> dict[int, bytes]:
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder")
    found = {name: [*folder.glob(name), *folder.glob(f"*/{name}")] for name in FILES.values()}
    _need_each_once({name: len(paths) for name, paths in found.items()}, folder)
    return {band: _read_file(found[name][0]) for band, name in FILES.items()}


def _read_file(path: Path) -> bytes:
    try:
        _refuse_large(path.stat().st_size, str(path))
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror or error}") from error


def _from_zip(path: Path) -> dict[int, bytes]:
    if not path.is_file():
        raise CorpusError(f"{path}: no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            return _unpacked(archive, path)
    except _UNREADABLE as error:
        raise CorpusError(f"{path}: cannot be read as zip: {str(error).partition(chr(10))[0]}") from error


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
            f"{path}: holds no {', '.join(missing)}: only the four files of the Financial PhraseBank together tell "
            "how many annotators agree; pass all, or a single one"
        )
    twice = [name for name, count in times.items() if count > 1]
    if twice:
        raise CorpusError(f"{path}: holds {twice[0]} more than once: leave one copy")

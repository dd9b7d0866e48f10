"""A folder of scored news in parts: the files in the order of their names give the news in its own."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # pandas has loaded it already

from newsfolio.shared.atomic import atomic_write, exclusive_lock
from newsfolio.shared.tables import WHOLE
from nlp.errors import NlpError
from nlp.scoring.score import summed_scores

PART = re.compile(r"part-[0-9]{6}\.parquet")
OTHERS = re.compile(rf"_scored\.json|\.({PART.pattern}|_scored\.json)\.unfinished-[a-z0-9_]{{8}}")
STAMP = b"newsfolio.scored"  # in the metadata of each part: what computed it, and the digest of its news


@dataclass(frozen=True)
class PartsFolder:
    """part-000000.parquet, part-000001.parquet, ...; and once all are there _scored.json, which readers pass by.

    A part is there whole or not at all. Many processes on machines that share the folder may write parts at once.
    """

    path: Path

    def scores_of(self, number: int, stamp: str) -> tuple[float, int] | None:
        """Return the `summed_scores` of a part, or None where there is no whole part of that number and stamp."""
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        place = self._place(number)
        try:
            schema = pq.read_schema(place)
            if (schema.metadata or {}).get(STAMP) != stamp.encode():
                return None
            column = "score" if "score" in schema.names else "label"
            return summed_scores(pq.read_table(place, columns=[column]).to_pandas())
        except (OSError, pa.ArrowException, KeyError):
            return None

    def write(self, number: int, stamp: str, table: pa.Table) -> None:
        """Write a part, in place of an older one.

        Raises:
            NlpError: the folder cannot be written.
        """
        import pyarrow.parquet as pq

        stamped = table.replace_schema_metadata({**(table.schema.metadata or {}), STAMP: stamp})
        try:
            with atomic_write(self._place(number)) as temporary:
                pq.write_table(stamped, temporary)
                _to_disk(temporary)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def finish(self, parts: int, facts: dict[str, Any]) -> None:
        """Say that all parts are there, after parts of a longer table were removed.

        Raises:
            NlpError: the folder cannot be written.
        """
        try:
            for path in self.path.iterdir():
                if PART.fullmatch(path.name) and int(path.name[5:11]) >= parts:
                    path.unlink()
            with atomic_write(self.facts) as temporary:
                temporary.write_text(json.dumps({"parts": parts} | facts, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _place(self, number: int) -> Path:
        return self.path / f"part-{number:06d}.parquet"

    @property
    def facts(self) -> Path:
        """What says that all parts are there."""
        return self.path / WHOLE


@contextmanager
def parts_folder(path: Path) -> Iterator[PartsFolder]:
    """Yield the folder, made if need be; no other run has it meanwhile, where the file system has locks.

    Raises:
        NlpError: something else lies there, another run writes there, or it cannot be written.
    """
    _make(path)
    with exclusive_lock(path, NlpError):
        _refuse_strangers(path)
        folder = PartsFolder(path.absolute())
        folder.facts.unlink(missing_ok=True)
        yield folder


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _refuse_strangers(path: Path) -> None:
    for file in sorted(path.iterdir()):
        if not (_is_part(file) or OTHERS.fullmatch(file.name)):
            raise NlpError(f"{path}: holds {file.name}, which is no part of scored news: name an empty folder")


def _is_part(file: Path) -> bool:
    import pyarrow.parquet as pq

    try:
        return bool(PART.fullmatch(file.name)) and STAMP in (pq.read_schema(file).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def _to_disk(path: Path) -> None:
    """A power cut after the renaming must not leave an empty part."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _unwritable(path: Path, error: OSError) -> NlpError:
    return NlpError(f"{path}: cannot be written: {error.strerror or error}: name another place")

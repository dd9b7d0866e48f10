"""Trials: every setting that was ever tried, in one database file, so that the best is judged among all of them."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from allocation.errors import SourceError

Setting = Mapping[str, object]

TABLE = """
CREATE TABLE IF NOT EXISTS trial (
    study TEXT NOT NULL, key TEXT NOT NULL, setting TEXT NOT NULL, figures TEXT NOT NULL,
    sessions BLOB NOT NULL, returns BLOB NOT NULL, PRIMARY KEY (study, key)
)
"""
WAIT = 60.0  # seconds for another process to finish writing


@dataclass(frozen=True)
class Trial:
    """One setting, its figures, and its return per session."""

    setting: dict[str, object]
    figures: dict[str, float]
    returns: pd.Series


@dataclass(frozen=True)
class Trials:
    """A SQLite file of trials, grouped by study.

    A study is one question about one set of data, under a name of your choice: put a digest of the data into the
    name (frame_digest gives one), since trials are found again by their setting alone. Many processes may write.
    """

    path: Path

    def record(self, study: str, trial: Trial) -> None:
        """Keep one trial; an older one of the same study and setting is replaced."""
        days = pd.DatetimeIndex(trial.returns.index).to_numpy().astype("datetime64[D]").astype(np.int64)
        row = (
            study,
            key_of(trial.setting),
            canonical(trial.setting),
            json.dumps({name: value if np.isfinite(value) else None for name, value in trial.figures.items()}),
            days.tobytes(),
            trial.returns.to_numpy(dtype=np.float64).tobytes(),
        )
        with self._open() as database:
            database.execute("INSERT OR REPLACE INTO trial VALUES (?, ?, ?, ?, ?, ?)", row)

    def of(self, study: str) -> dict[str, Trial]:
        """All trials of a study by key, in the order of their keys."""
        query = "SELECT key, setting, figures, sessions, returns FROM trial WHERE study = ? ORDER BY key"
        found: dict[str, Trial] = {}
        with self._open() as database:
            for key, setting, figures, sessions, returns in database.execute(query, (study,)):
                days = pd.DatetimeIndex(np.frombuffer(sessions, np.int64).astype("datetime64[D]"), name="date")
                values = pd.Series(np.frombuffer(returns, np.float64), days, name="return")
                read = {name: float("nan") if each is None else each for name, each in json.loads(figures).items()}
                found[key] = Trial(json.loads(setting), read, values)
        return found

    def count(self, study: str) -> int:
        """How many settings were tried."""
        with self._open() as database:
            return int(database.execute("SELECT count(*) FROM trial WHERE study = ?", (study,)).fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            database = sqlite3.connect(self.path, timeout=WAIT)
            try:
                with database:  # one transaction
                    database.execute(TABLE)
                    yield database
            finally:
                database.close()
        except sqlite3.Error as error:
            raise SourceError(f"{self.path}: cannot be used as a file of trials: {error}") from error


def canonical(setting: Setting) -> str:
    """A setting as text that does not depend on the order of its names.

    Raises:
        SourceError: a value is neither number, text, truth value nor None, or a list of such.
    """
    try:
        return json.dumps(setting, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SourceError(f"the setting {dict(setting)!r} cannot be logged: use numbers and text ({error})") from error


def key_of(setting: Setting) -> str:
    """SHA-256 of the canonical setting."""
    return sha256(canonical(setting).encode()).hexdigest()

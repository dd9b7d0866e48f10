"""The store of scores beside plain ways to keep them: look-up of known texts, adding new ones, bytes per text.

    python benchmarks/store.py --rows 20000000 --peer-rows 1000000 --folder /somewhere/with/space

The peers are measured at fewer rows: at those of the store they would need most of an hour.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nlp.score_store import ScoreStore

BUILD_ROWS = 1_000_000


@dataclass(frozen=True)
class Peer:
    name: str
    add: Callable[[Path, list[str], np.ndarray], None]
    look_up: Callable[[Path, list[str]], np.ndarray]


def texts(first: int, count: int) -> list[str]:
    return [f"Company {n} said its quarterly profit rose by {n % 97} percent, helped by sales" for n in
            range(first, first + count)]  # fmt: skip


def random_probabilities(count: int) -> np.ndarray:
    raw = np.random.default_rng(count).random((count, 3), dtype=np.float32)
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


def store_add(path: Path, new: list[str], probabilities: np.ndarray) -> None:
    with ScoreStore(path, "benchmark") as store:
        store.add(new, probabilities)


def store_look_up(path: Path, known: list[str]) -> np.ndarray:
    with ScoreStore(path, "benchmark") as store:
        return store.lookup(known)


def parquet_add(path: Path, new: list[str], probabilities: np.ndarray) -> None:
    rows = pd.DataFrame({"text": new, "a": probabilities[:, 0], "b": probabilities[:, 1], "c": probabilities[:, 2]})
    old = [pd.read_parquet(path)] if path.exists() else []
    pd.concat([*old, rows]).to_parquet(path, index=False)


def parquet_look_up(path: Path, known: list[str]) -> np.ndarray:
    merged = pd.DataFrame({"text": known}).merge(pd.read_parquet(path), on="text", how="left")
    return merged[["a", "b", "c"]].to_numpy(dtype=np.float32)


def naive_add(path: Path, new: list[str], probabilities: np.ndarray) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute("CREATE TABLE IF NOT EXISTS scores (text TEXT PRIMARY KEY, a REAL, b REAL, c REAL)")
        rows = [(text, *row) for text, row in zip(new, probabilities.tolist(), strict=True)]
        database.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?)", rows)
    database.close()


def naive_look_up(path: Path, known: list[str]) -> np.ndarray:
    database = sqlite3.connect(path)
    ask = "SELECT a, b, c FROM scores WHERE text = ?"
    found = [database.execute(ask, (text,)).fetchone() for text in known]
    database.close()
    return np.array(found, dtype=np.float32)


STORE = Peer("ScoreStore", store_add, store_look_up)
PEERS = (
    Peer("pandas merge with Parquet", parquet_add, parquet_look_up),
    Peer("SQLite, text as key, row by row", naive_add, naive_look_up),
)


def measure(peer: Peer, folder: Path, rows: int, asked: int) -> str:
    path = folder / peer.name.replace(" ", "-")
    for first in range(0, rows, BUILD_ROWS):
        count = min(BUILD_ROWS, rows - first)
        peer.add(path, texts(first, count), random_probabilities(count))
    size = sum(part.stat().st_size for part in folder.iterdir() if part.name.startswith(path.name))
    known = [text for n in np.random.default_rng(0).choice(rows, asked, replace=False) for text in texts(int(n), 1)]
    found, look_up = timed(lambda: peer.look_up(path, known))
    if np.isnan(found).any():
        raise RuntimeError(f"{peer.name} lost texts")
    fresh, values = texts(rows, asked), random_probabilities(asked)
    _, add = timed(lambda: peer.add(path, fresh, values))
    return f"{peer.name:34} {rows:>12,} {look_up:>12.1f} s {add:>12.1f} s {size / rows:>12.1f}"


def timed(work: Callable[[], object]) -> tuple[np.ndarray, float]:
    started = time.perf_counter()
    answer = work()
    return np.asarray(answer), time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=20_000_000, help="texts in the store")
    parser.add_argument("--peer-rows", type=int, default=1_000_000, help="texts in the peers")
    parser.add_argument("--asked", type=int, default=1_000_000, help="texts looked up, and added")
    parser.add_argument("--folder", type=Path, help="where to keep the files meanwhile")
    options = parser.parse_args()
    print(
        f"{'':34} {'texts':>12} {'look-up':>14} {'add':>14} {'bytes/text':>12}   ({options.asked:,} looked up, added)"
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(measure(STORE, Path(folder), options.rows, options.asked), flush=True)
        for peer in (STORE, *PEERS):
            with tempfile.TemporaryDirectory(dir=options.folder) as other:
                rows = max(options.peer_rows, options.asked)
                print(measure(peer, Path(other), rows, options.asked), flush=True)


if __name__ == "__main__":
    main()

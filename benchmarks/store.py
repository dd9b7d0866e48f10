"""The store of scores beside plain ways to keep them, scoring a second time, and news larger than memory.

    python benchmarks/store.py --rows 20000000 --peer-rows 1000000 --folder /somewhere/with/space
    python benchmarks/store.py --again MODEL        needs NEWSFOLIO_DATA
    python benchmarks/store.py --stream 10000000 --folder /somewhere/with/space

The first table: look-up of known texts, adding new ones, bytes per text; the peers are measured at fewer rows, because
at those of the store they would need most of an hour. `--again`: a file of distinct texts is scored twice, each time in
a fresh process. `--stream`: a file of distinct texts goes through a classifier that costs nothing.
"""

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nlp.scoring.store import ScoreStore, store_key
from nlp.scoring.stream.score_file import score_file

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


def score_again(model: str, folder: Path, count: int) -> None:
    """Print the seconds of two runs; what a fresh process does before the first text is counted apart."""
    news = pd.DataFrame({"text": distinct_texts(count)})
    news.to_parquet(folder / "news.parquet")
    print(f"{len(news):,} distinct texts; {'scoring':>18} {'processor':>11} {'whole run':>11}")
    seconds = []
    for run in ("first run", "second run"):
        started = time.perf_counter()
        told = child("score", model, str(folder))
        scoring, processor = map(float, told.split()[-2:])
        seconds.append((scoring, processor, time.perf_counter() - started))
        print(f"{run:24}" + "".join(f"{value:>10.3f} s" for value in seconds[-1]), flush=True)
    print(f"{'ratio':24}" + "".join(f"{first / second:>12.0f}" for first, second in zip(*seconds, strict=True)))


def distinct_texts(count: int) -> list[str]:
    data = Path(os.environ["NEWSFOLIO_DATA"])
    found = [pd.read_parquet(data / f"{name}.parquet")["text"] for name in ("phrasebank", "stocknet_news")]
    return pd.concat(found).drop_duplicates().sample(count, random_state=0).tolist()


def score_once(model: str, folder: str) -> None:
    """In a process of its own: print the seconds of scoring, by the clock and of the processor."""
    from nlp import load_classifier

    classifier = load_classifier(model)
    clock, processor = time.perf_counter(), time.process_time()
    with ScoreStore(Path(folder) / "scores.sqlite", store_key(classifier)) as store:
        score_file(Path(folder) / "news.parquet", Path(folder) / "scored.parquet", classifier, store=store)
    print(time.perf_counter() - clock, time.process_time() - processor)


class Free:
    """A classifier that costs nothing."""

    fingerprint, training, temperature = "free", None, 1.0

    def predict_proba(self, asked: list[str], **_: object) -> np.ndarray:
        return np.full((len(asked), 3), 1 / 3, dtype=np.float32)


def stream(folder: Path, rows: int) -> None:
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    parts = (stream_rows(first, min(BUILD_ROWS, rows - first)) for first in range(0, rows, BUILD_ROWS))
    first = Table.from_pandas(next(parts))
    with ParquetWriter(folder / "news.parquet", first.schema) as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(Table.from_pandas(part))
    print(f"{rows:,} rows in {(folder / 'news.parquet').stat().st_size / 1e6:,.0f} MB; {child('stream', str(folder))}")


def stream_rows(first: int, count: int) -> pd.DataFrame:
    published = pd.Timestamp("2000-01-01 00:00:01", tz="UTC") + pd.to_timedelta(np.arange(first, first + count), "min")
    assets = [f"A{n % 500}" for n in range(count)]
    return pd.DataFrame({"published": published, "asset": assets, "text": texts(first, count)})


def stream_once(folder: str) -> None:
    """In a process of its own: print its seconds, and the most memory it had."""
    clock, processor = time.perf_counter(), time.process_time()
    report = score_file(Path(folder) / "news.parquet", Path(folder) / "scored.parquet", Free())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    print(f"{report.scored:,} scored in {clock:.0f} s ({processor:.0f} s of processor), peak {peak:,.0f} MB")


def child(*arguments: str) -> str:
    command = [sys.executable, __file__, "--child", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603
    return done.stdout.decode().strip()


CHILDREN: dict[str, Callable[..., None]] = {"score": score_once, "stream": stream_once}


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        CHILDREN[sys.argv[2]](*sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=20_000_000, help="texts in the store")
    parser.add_argument("--peer-rows", type=int, default=1_000_000, help="texts in the peers")
    parser.add_argument("--asked", type=int, default=1_000_000, help="texts looked up, and added")
    parser.add_argument("--again", metavar="MODEL", help="score a file twice instead")
    parser.add_argument("--again-texts", type=int, default=2_000)
    parser.add_argument("--stream", type=int, metavar="ROWS", help="stream a file of so many rows instead")
    parser.add_argument("--folder", type=Path, help="where to keep the files meanwhile")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.again:
            score_again(options.again, Path(folder), options.again_texts)
        elif options.stream:
            stream(Path(folder), options.stream)
        else:
            compare(Path(folder), options)


def compare(folder: Path, options: argparse.Namespace) -> None:
    print(
        f"{'':34} {'texts':>12} {'look-up':>14} {'add':>14} {'bytes/text':>12}   ({options.asked:,} looked up, added)"
    )
    print(measure(STORE, folder, options.rows, options.asked), flush=True)
    for peer in (STORE, *PEERS):
        with tempfile.TemporaryDirectory(dir=options.folder) as other:
            rows = max(options.peer_rows, options.asked)
            print(measure(peer, Path(other), rows, options.asked), flush=True)


if __name__ == "__main__":
    main()

"""Events of headlines: how fast the rules are, and how often they are right on headlines labelled one by one.

    NEWSFOLIO_DATA=... OMP_NUM_THREADS=1 python -P benchmarks/events.py

The labels are those of tests/test_nlp/test_events. Most of them shaped the rules: what is printed here is how the
present rules do on all of them, which is better than they will do on new headlines. docs/events.md has the figures of
headlines that the rules had not met.
"""

import math
import os
import sys
import time
from pathlib import Path

import pandas as pd

from nlp import EVENT_KINDS, find_events

FOLDER = Path(os.environ["NEWSFOLIO_DATA"])
TESTS = Path(__file__).parents[1] / "tests" / "test_nlp" / "test_events"
MILLION = 1_000_000
Z = 1.96


def wilson(right: int, of: int) -> str:
    """E. B. Wilson's 95 % interval of a share (JASA 22, 1927)."""
    if not of:
        return ""
    share, scale = right / of, 1 + Z**2 / of
    middle = (share + Z**2 / (2 * of)) / scale
    half = Z / scale * math.sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    return f"{share:.3f}  {middle - half:.2f} to {middle + half:.2f}"


def distinct_million() -> pd.DataFrame:
    """Real headlines, made distinct by a number behind each, so that none is read once for several rows."""
    parts = [
        pd.read_parquet(FOLDER / "market" / "reuters_company_news.parquet")[["published", "asset", "text"]],
        pd.read_parquet(FOLDER / "stocknet_news.parquet").rename(
            columns={"created_at": "published", "ticker": "asset"}
        )[["published", "asset", "text"]],
    ]
    news = pd.concat(parts, ignore_index=True)
    rows = news.loc[[row % len(news) for row in range(MILLION)]].reset_index(drop=True)
    return rows.assign(text=rows["text"] + " #" + rows.index.astype(str))


def main() -> None:
    million = distinct_million()
    start = time.process_time()
    found = find_events(million)
    print(f"{MILLION:,} distinct headlines, {len(found):,} events: {time.process_time() - start:.1f} s of one core\n")

    sys.path.insert(0, str(TESTS))
    from test_labels import labelled  # type: ignore[import-not-found]

    rows = labelled(FOLDER)
    found = find_events(rows)
    print(f"{len(rows):,} labelled headlines\n{'kind':<16} found  precision  interval      shown  recall  interval")
    hits = set(zip(found.index, found["event"], strict=True))
    for kind in EVENT_KINDS:
        said = found.index[found["event"] == kind]
        shown = [row for row, kinds in rows["kinds"].str.split().items() if kind in kinds]
        right = sum(kind in rows["kinds"][row].split() for row in said)
        print(f"{kind:<16} {len(said):5}  {wilson(right, len(said))}  {len(shown):5}  "
              f"{wilson(sum((row, kind) in hits for row in shown), len(shown))}")  # fmt: skip
    due = found.groupby(level=0)["due"].min().dropna()
    right = int((due == rows["due"].reindex(due.index)).sum())
    print(f"{'due session':<16} {len(due):5}  {wilson(right, len(due))}")
    shown = {(row, kind) for row in rows.index[rows["random"]] for kind in rows["kinds"][row].split()}
    print(f"recall among {int(rows['random'].sum())} random headlines: {wilson(len(shown & hits), len(shown))}")


if __name__ == "__main__":
    main()

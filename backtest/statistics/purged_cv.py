"""purged_splits(): combinatorial cross-validation that purges overlapping labels."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from allocation.errors import FrameError
from newsfolio.shared.arrays import IntArray


class Split(NamedTuple):
    """Row numbers to train on and to test on."""

    train: IntArray
    test: IntArray


def purged_splits(n: int, *, groups: int = 6, tests: int = 2, horizon: int = 0, embargo: int = 0) -> Iterator[Split]:
    """Yield every way to hold out `tests` of `groups` consecutive groups of `n` sessions.

    A training row s, whose label spans sessions up to s + horizon, is purged where that span reaches into the test
    rows, and so are rows within the span of a test row's label, with `embargo` further sessions after it. M. Lopez de
    Prado, "Advances in Financial Machine Learning", 2018, chapters 7 and 12.

    Raises:
        FrameError: the numbers leave nothing to train on or to test on.
    """
    if not 1 <= tests < groups <= n or horizon < 0 or embargo < 0:
        raise FrameError(
            f"{tests} of {groups} groups of {n} sessions, horizon {horizon}, embargo {embargo}: use "
            "1 <= tests < groups <= n and nothing negative"
        )
    parts = np.array_split(np.arange(n), groups)
    for held_out in combinations(range(groups), tests):
        clean = np.ones(n, dtype=bool)
        for group in held_out:
            first, last = int(parts[group][0]), int(parts[group][-1])
            clean[max(0, first - horizon) : last + 1 + horizon + embargo] = False
        if not clean.any():
            raise FrameError(f"nothing is left to train on outside groups {held_out}: lower horizon or embargo")
        yield Split(np.flatnonzero(clean), np.concatenate([parts[group] for group in held_out]))


def backtest_paths(n: int, *, groups: int = 6, tests: int = 2) -> list[list[tuple[int, IntArray]]]:
    """Return histories of all `n` sessions, each as (number of the split, rows tested in it), group by group.

    The splits are numbered as purged_splits yields them. Each split tests each of its groups on exactly one path,
    so there are C(groups - 1, tests - 1) of them.
    """
    parts = np.array_split(np.arange(n), groups)
    held_out = list(combinations(range(groups), tests))
    judged_in = [[number for number, held in enumerate(held_out) if group in held] for group in range(groups)]
    return [[(judged_in[g][path], parts[g]) for g in range(groups)] for path in range(len(judged_in[0]))]

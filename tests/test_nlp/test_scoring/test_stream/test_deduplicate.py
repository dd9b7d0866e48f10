"""Repeats across parts are those that pandas finds in the whole."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from nlp.scoring.stream.deduplicate import SeenRows

rows = st.tuples(st.integers(0, 3), st.sampled_from(["A", "B", ""]), st.sampled_from(["x", "y", "", "A"]))


@given(st.lists(st.lists(rows, max_size=12), max_size=12))
def test_parts_give_what_the_whole_gives(parts):
    frames = [pd.DataFrame(part, columns=["n", "a", "b"]).astype({"n": int, "a": str, "b": str}) for part in parts]
    seen = SeenRows()
    fresh = [seen.fresh(frame) for frame in frames if len(frame)]
    if fresh:
        assert np.concatenate(fresh).tolist() == (~pd.concat(frames).duplicated()).tolist()


def test_many_parts_are_kept_in_few_runs():
    seen = SeenRows()
    for part in range(60):
        assert seen.fresh(pd.DataFrame({"n": range(part * 10, part * 10 + 10)})).all()
    assert len(seen._runs) < 7
    assert sum(len(first) for first, _ in seen._runs) == 600
    assert not seen.fresh(pd.DataFrame({"n": range(600)})).any()

"""Tables whose columns line up, and JSON that has no NaN."""

import json

from hypothesis import given
from hypothesis import strategies as st

from newsfolio.shared.text_table import json_text, text_table

CELLS = st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), min_size=1, max_size=9)


def test_the_first_column_is_aligned_to_the_left_and_the_others_to_the_right() -> None:
    rows = [("", "total", "a"), ("equal weight", "+1.0%", "12"), ("x", "+10.0%", "3")]
    assert text_table(rows, rule=True).splitlines() == [
        "               total   a",
        "------------  ------  --",
        "equal weight   +1.0%  12",
        "x             +10.0%   3",
    ]
    assert text_table(rows[:1], indent="  ") == "    total  a"


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.tuples(*[CELLS] * n), min_size=1, max_size=6)))
def test_every_cell_is_there_and_columns_end_together(rows: list[tuple[str, ...]]) -> None:
    lines = text_table(rows).splitlines()
    assert [line.split() for line in lines] == [list(row) for row in rows]
    if len(rows[0]) > 1:
        assert len({len(line) for line in lines}) == 1


def test_what_is_not_finite_is_null() -> None:
    figures = {"a": float("nan"), "b": [1.5, float("-inf")], "c": {"d": (2, "x", None, True)}}
    assert json.loads(json_text(figures)) == {"a": None, "b": [1.5, None], "c": {"d": [2, "x", None, True]}}

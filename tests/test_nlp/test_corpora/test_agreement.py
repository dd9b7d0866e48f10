"""The share of annotators behind a label."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.corpora.agreement import share_agreeing
from nlp.errors import CorpusError

EXPECTED = {50: 0.58, 66: 0.705, 75: 0.875, 100: 1.0, None: 1.0}


@given(st.lists(st.sampled_from([50, 66, 75, 100, None])), st.booleans(), st.randoms())
def test_each_band_has_its_middle_and_rows_keep_their_names(bands, as_floats, rng):
    index = rng.sample(range(100), len(bands))
    rows = pd.DataFrame({"agree": pd.Series(bands, index=index, dtype=float if as_floats else object)})
    share = share_agreeing(rows)
    assert share.tolist() == [EXPECTED[band] for band in bands]
    assert share.index.tolist() == index
    assert share.dtype == float


def test_middles_lie_between_the_bounds_of_their_band_and_the_next():
    share = share_agreeing(pd.DataFrame({"agree": [50, 66, 75, 100]}))
    for low, middle, high in zip((0.50, 0.66, 0.75), share[:3], (0.66, 0.75, 1.0), strict=True):
        assert middle - low == pytest.approx(high - middle)


def test_without_bands_every_label_counts_whole():
    assert share_agreeing(pd.DataFrame({"text": ["a", "b"]}, index=["x", "y"])).to_dict() == {"x": 1.0, "y": 1.0}
    assert share_agreeing(pd.DataFrame({"agree": []})).empty


@pytest.mark.parametrize("band", [0.5, 1, 51, "66", -50, float("inf")])
def test_what_is_no_band_is_named_with_its_row(band):
    rows = pd.DataFrame({"agree": [50, None, band]}, index=[7, 8, 9], dtype=object)
    with pytest.raises(
        CorpusError, match=r"row 3: agree is .*, which is no band: .* 50, 66, 75, 100 per cent \(1 such"
    ):
        share_agreeing(rows)

"""Z-scores and ranks across assets, against one session at a time with SciPy."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from nlp.errors import NewsError
from nlp.signals.cross_section import cross_section

ASSETS = list("ABCDEFG")
SECTORS = pd.Series(["x", "x", "y", "y", "y", "z", "x"], index=ASSETS)
HOW = ["zscore", "rank"]


def drawn(seed, levels=None):
    random = np.random.default_rng(seed)
    values = random.uniform(-1, 1, (12, len(ASSETS)))
    values = np.round(values * levels) / levels if levels else values
    values[random.random(values.shape) < 0.3] = np.nan
    return pd.DataFrame(values, pd.bdate_range("2021-01-04", periods=12, name="date"), ASSETS)


def one_session(row, how, sectors):
    known = row.dropna()
    result = pd.Series(np.nan, index=row.index)
    if len(known) < 3:
        return result
    if how == "rank":
        for sector in sorted(set(sectors)):
            names = [name for name in known.index if sectors[name] == sector]
            ranks = rankdata(known[names]) if names else []
            for name, rank in zip(names, ranks, strict=True):
                result[name] = (2 * rank - len(names) - 1) / (len(names) - 1) if len(names) > 1 else 0.0
        return result
    centred = known.copy()
    for sector in set(sectors):
        names = [name for name in known.index if sectors[name] == sector]
        centred[names] = known[names] - np.mean(known[names].to_numpy()) if names else 0.0
    spread = np.std(centred.to_numpy())
    result[known.index] = np.clip(centred / spread, -3, 3) / 3 if spread > 1e-9 else 0.0
    return result


@pytest.mark.parametrize("how", HOW)
@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([None, 1, 3]), neutral=st.booleans())
def test_equals_the_definition_session_by_session(how, seed, levels, neutral):
    signal = drawn(seed, levels)
    sectors = SECTORS if neutral else pd.Series("all", index=ASSETS)
    expected = pd.DataFrame({day: one_session(row, how, sectors) for day, row in signal.iterrows()}).T
    found = cross_section(signal, how, sectors=SECTORS if neutral else None)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.abs().max().max() <= 1.0


@pytest.mark.parametrize("how", HOW)
@settings(max_examples=12)
@given(seed=st.integers(0, 1000), order=st.permutations(ASSETS))
def test_the_order_of_columns_changes_nothing(how, seed, order):
    signal = drawn(seed)
    found = cross_section(signal[order], how, sectors=SECTORS)
    assert found[ASSETS].equals(cross_section(signal, how, sectors=SECTORS))
    assert found.columns.tolist() == order


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("neutral", [False, True])
def test_not_even_a_last_bit_hangs_on_the_order_of_many_columns(how, neutral):
    """With so many names a sum in another order ends in other bits nearly every session."""
    random = np.random.default_rng(1)
    assets = [f"A{n:02d}" for n in range(60)]
    signal = pd.DataFrame(random.uniform(-1, 1, (40, 60)), columns=assets).mask(random.random((40, 60)) < 0.2)
    sectors = pd.Series(np.array(["x", "y"]).repeat(30), index=assets) if neutral else None
    plain = cross_section(signal, how, sectors=sectors)
    for order in (assets[::-1], list(random.permutation(assets))):
        turned = cross_section(signal[order], how, sectors=sectors)[assets]
        assert turned.to_numpy().tobytes() == plain.to_numpy().tobytes()


@pytest.mark.parametrize("how", HOW)
def test_a_sector_neutral_signal_sums_to_zero_in_each_sector(how):
    full = drawn(1).fillna(0.2)
    found = cross_section(full, how, sectors=SECTORS)
    np.testing.assert_allclose(found.T.groupby(SECTORS).sum().T, 0.0, atol=1e-12)
    assert (found["F"] == 0.0).all()


@pytest.mark.parametrize("how", HOW)
def test_no_row_sees_another(how):
    signal = drawn(2)
    assert cross_section(signal.iloc[3:5], how).equals(cross_section(signal, how).iloc[3:5])


def test_wrong_usage_is_named():
    with pytest.raises(NewsError, match="how is 'z': use 'zscore' or 'rank'"):
        cross_section(drawn(1), "z")
    with pytest.raises(NewsError, match=r"F has no sector \(2 such assets\)"):
        cross_section(drawn(1), sectors=SECTORS.drop(["F", "G"]))

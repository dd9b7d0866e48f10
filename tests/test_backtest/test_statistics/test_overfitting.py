"""The probability of backtest overfitting and purged splits, against plain loops."""

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest

from allocation import FrameError
from backtest import overfitting, purged_splits
from backtest.statistics.purged_cv import backtest_paths


def noise(seed, n=120, settings=6):
    return pd.DataFrame(0.01 * np.random.default_rng(seed).standard_normal((n, settings)))


def test_logits_against_plain_loops():
    returns = noise(1)
    parts = np.array_split(returns.to_numpy(), 6)
    expected = []
    for half in combinations(range(6), 3):
        train = np.concatenate([parts[i] for i in half])
        test = np.concatenate([parts[i] for i in range(6) if i not in half])
        best = (train.mean(axis=0) / train.std(axis=0, ddof=1)).argmax()
        after = test.mean(axis=0) / test.std(axis=0, ddof=1)
        relative = (1 + (after < after[best]).sum()) / 7
        expected.append(np.log(relative / (1 - relative)))
    np.testing.assert_allclose(overfitting(returns, 6).logits, expected, atol=1e-9)


def test_noise_is_overfitted_half_of_the_time_and_skill_never():
    chance = [overfitting(noise(seed)).probability for seed in range(60)]
    assert 0.4 < np.mean(chance) < 0.6
    skilled = noise(3)
    skilled[2] += 0.02
    found = overfitting(skilled)
    assert found.probability == found.loss == 0.0
    assert len(found.logits) == comb(10, 5)
    assert "probability of overfitting 0%" in str(found)


@pytest.mark.parametrize("spoil", [lambda r: r.iloc[:, :1], lambda r: r.mask(r == r.iloc[0, 0])])
def test_returns_that_cannot_be_compared_are_refused(spoil):
    with pytest.raises(FrameError, match="give two or more, same sessions"):
        overfitting(spoil(noise(1)))


@pytest.mark.parametrize("blocks", [0, 3, 22, 80])
def test_blocks_must_be_even_and_few(blocks):
    with pytest.raises(FrameError, match="use an even number"):
        overfitting(noise(1), blocks)


@pytest.mark.parametrize(("horizon", "embargo"), [(0, 0), (5, 0), (3, 4)])
def test_no_training_label_reaches_into_a_test_row_or_the_other_way_round(horizon, embargo):
    n, splits = 100, list(purged_splits(100, groups=5, tests=2, horizon=horizon, embargo=embargo))
    assert len(splits) == comb(5, 2)
    for train, test in splits:
        distances = train[:, None] - test[None, :]
        assert not ((distances >= -horizon) & (distances <= horizon)).any()
        behind = np.array([(row > test).any() and row - test[test < row].max() <= horizon + embargo for row in train])
        assert not behind.any()
        untouched = [row for row in range(n) if np.abs(row - test).min() > horizon + embargo]
        assert set(untouched) <= set(train.tolist())


def test_paths_cover_history_once_and_use_each_judgement_once():
    splits, paths = list(purged_splits(90, groups=6, tests=2)), backtest_paths(90, groups=6, tests=2)
    assert len(paths) == comb(5, 1)
    used = []
    for path in paths:
        assert np.concatenate([rows for _, rows in path]).tolist() == list(range(90))
        for number, rows in path:
            assert set(rows.tolist()) <= set(splits[number].test.tolist())
            used.append((number, int(rows[0])))
    assert len(set(used)) == len(used) == 2 * len(splits)


def test_splits_that_leave_nothing_are_refused():
    with pytest.raises(FrameError, match="use 1 <= tests < groups"):
        list(purged_splits(10, groups=3, tests=3))
    with pytest.raises(FrameError, match="nothing is left to train on"):
        list(purged_splits(10, groups=3, tests=1, horizon=10))

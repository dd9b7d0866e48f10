"""Simulated news and returns: leaks and honest signals, those that thresholds were chosen on and others kept apart."""

from dataclasses import dataclass

import numpy as np

from newsfolio.shared.arrays import BoolArray, FloatArray

SAME, KEEP = 0.10, 0.5 ** (1 / 3)  # IC of news with its own session; what a tone keeps of itself each session
TAILS = 4.0
LEAKS = {
    "one session early": "early",
    "one session early, fading": "early",
    "in the gap": "overnight",
    "a third hours early": "timestamps",
    "back-filled": "back-fill",
}
HONEST = (
    "no edge",
    "reaction only",
    "edge and reaction",
    "one-session edge and reaction",
    "edge, no reaction",
    "edge, no reaction, half-life 1",
    "clustered volatility",
)
# No threshold was chosen on these. Their returns are a GARCH process with fat tails.
HELD_OUT_LEAKS = {
    "early": "early",
    "early, half-life 5": "early",
    "early, three values": "early",
    "early, of news that drifts": "early",
    "early, in a third of the assets": "early",
    "early, in 30 % of the cells": "early",
    "the next return in the signal": "early",
    "in the gap, half-life 5": "overnight",
}
HELD_OUT = (
    "no edge, slow mood of the market",
    "momentum of 20 sessions, no edge",
    "momentum of 60 sessions, slow drift",
    "reversal, edge",
    "reversal in some news, edge",
    "continuation for a session",
    "half-life 5, no reaction",
    "half-life 20, no reaction",
    "rating of a month, no reaction",
    "three values, edge and reaction",
    "drift after news, half-life 5",
    "3 % of the cells, no edge",
    "10 % of the cells, edge and reaction",
    "10 % of the cells, no reaction",
    "reports on past moves",
    "previews of scheduled news",
)


@dataclass
class World:
    """Standard news and returns (sessions × assets) in units of an asset's volatility, before they become prices."""

    signal: FloatArray
    returns: FloatArray
    night: FloatArray


def later(values: FloatArray, lag: int = 1) -> FloatArray:
    return np.vstack([np.zeros((lag, values.shape[1])), values[:-lag]])


def fading(news: FloatArray, keep: float = KEEP) -> FloatArray:
    tone, state = np.zeros_like(news), np.zeros(news.shape[1])
    for row, new in enumerate(news):
        state = keep * state + new
        tone[row] = state
    return tone / tone.std()


def fat(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    return random.standard_t(TAILS, shape) / np.sqrt(TAILS / (TAILS - 2.0))


def chosen_on(kind: str, ic: float, shape: tuple[int, int], random: np.random.Generator) -> World:
    """One world of a kind that thresholds were chosen on; row t of an honest signal is known at its close."""
    news, noise, nothing = random.standard_normal(shape), fat(random, shape), np.zeros(shape)
    tone = fading(news)
    match kind:
        case "no edge":
            return World(news, noise, nothing)
        case "reaction only":
            return World(tone, ic * news + noise, nothing)
        case "edge and reaction":
            return World(tone, SAME * news + ic * later(tone) + noise, nothing)
        case "one-session edge and reaction":
            return World(news, SAME * news + ic * later(news) + noise, nothing)
        case "edge, no reaction":
            return World(tone, ic * later(tone) + noise, nothing)
        case "edge, no reaction, half-life 1":
            tone = fading(news, 0.5)
            return World(tone, ic * later(tone) + noise, nothing)
        case "one session early":
            return World(np.roll(news, -1, axis=0), ic * news + noise, nothing)
        case "one session early, fading":
            return World(np.roll(tone, -1, axis=0), ic / np.sqrt(1.0 - KEEP**2) * news + noise, nothing)
        case "in the gap":
            return World(news, noise, ic * later(news))
        case "a third hours early":
            evening = random.standard_normal(shape)
            mixed = np.sqrt(2 / 3) * news + np.sqrt(1 / 3) * evening
            effect = ic * np.sqrt(3.0)
            return World(mixed, effect * news + noise, effect * later(evening))
    clustered, signal = volatile(random, news, noise)
    if kind == "back-filled":
        large = np.abs(clustered) > np.quantile(np.abs(clustered), 1.0 - ic, axis=0)
        added = np.roll(large, -1, axis=0) & (random.random(shape) < 0.5)
        signal = np.where(np.isnan(signal) & added, random.standard_normal(shape), signal)
    return World(signal, clustered, nothing)


def volatile(random: np.random.Generator, news: FloatArray, noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns whose volatility jumps with some news and fades slowly; a signal where there is news."""
    shocks = random.random(news.shape) < 0.05
    state = fading(shocks.astype(float), 0.7) * fading(shocks.astype(float), 0.7).std()
    return np.exp(0.35 * state) * noise, np.where(shocks | (random.random(news.shape) < 0.2), news, np.nan)


def garch(random: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Returns of unit variance whose volatility clusters (Student's t, 5 degrees)."""
    shocks, variance, returns = random.standard_t(5.0, shape) / np.sqrt(5.0 / 3.0), np.ones(shape[1]), np.empty(shape)
    for row, shock in enumerate(shocks):
        returns[row] = np.sqrt(variance) * shock
        variance = 0.03 + 0.07 * returns[row] ** 2 + 0.90 * variance
    return returns


def three_values(news: FloatArray) -> FloatArray:
    signs = np.where(np.abs(news) > 1.0, np.sign(news), 0.0)
    return np.asarray(signs / signs.std())


def trailing(returns: FloatArray, sessions: int) -> FloatArray:
    total, sums = returns.cumsum(axis=0), np.zeros_like(returns)
    sums[sessions:] = total[sessions:] - total[:-sessions]
    return sums


def autoregressive(returns: FloatArray, slope: float) -> FloatArray:
    found = returns.copy()
    for row in range(1, len(found)):
        found[row] += slope * found[row - 1]
    return found


def held_out(kind: str, ic: float, shape: tuple[int, int], random: np.random.Generator) -> World:
    """One world of a kind that no threshold was chosen on."""
    news, noise, nothing = random.standard_normal(shape), garch(random, shape), np.zeros(shape)
    early, slow = np.roll(news, -1, axis=0), fading(news, 0.87)
    match kind:
        case "early":
            return World(early, noise + ic * news, nothing)
        case "early, half-life 5":
            return World(np.roll(slow, -1, axis=0), noise + ic / np.sqrt(1.0 - 0.87**2) * news, nothing)
        case "early, three values":
            return World(np.roll(three_values(news), -1, axis=0), noise + ic * three_values(news), nothing)
        case "early, of news that drifts":
            return World(early, noise + ic * news + 0.2 * ic * later(fading(news, 0.7)), nothing)
        case "early, in a third of the assets":
            third = np.arange(shape[1]) < shape[1] // 3
            return World(np.where(third, early, random.standard_normal(shape)), noise + 3 * ic * news * third, nothing)
        case "early, in 30 % of the cells":
            cells = random.random(shape) < 0.3
            known = np.roll(np.where(cells, news, np.nan), -1, axis=0)
            return World(known, noise + ic * np.where(cells, news, 0.0), nothing)
        case "the next return in the signal":
            return World(ic * np.roll(noise, -1, axis=0) + news, noise, nothing)
        case "in the gap, half-life 5":
            return World(slow, noise, ic / np.sqrt(1.0 - 0.87**2) * later(news))
        case "no edge, slow mood of the market":
            return World(0.3 * news + fading(random.standard_normal((len(news), 1)), 0.9), noise, nothing)
        case "momentum of 20 sessions, no edge":
            return World(trailing(noise, 20), noise, nothing)
        case "momentum of 60 sessions, slow drift":
            returns = noise + 2 * ic * fading(news, 0.99)
            return World(trailing(returns, 60), returns, nothing)
        case "reversal, edge":
            returns = autoregressive(noise, -ic)
            return World(0.5 * news - returns, returns, nothing)
        case "reversal in some news, edge":
            returns = autoregressive(noise, -3 * ic)
            return World(3 * news - returns, returns, nothing)
        case "continuation for a session":
            returns = autoregressive(noise, ic)
            return World(0.5 * news + returns, returns, nothing)
        case "half-life 5, no reaction":
            return World(slow, noise + ic * later(slow), nothing)
        case "half-life 20, no reaction":
            return World(fading(news, 0.966), noise + ic * later(fading(news, 0.966)), nothing)
        case "rating of a month, no reaction":
            changed = (np.arange(len(news))[:, None] + random.integers(0, 21, shape[1])) % 21 == 0
            rating = last_known(changed, news)
            return World(rating, noise + ic * later(rating), nothing)
        case "three values, edge and reaction":
            return World(three_values(news), noise + SAME * news + ic * later(fading(three_values(news), 0.8)), nothing)
        case "drift after news, half-life 5":
            return World(news, noise + SAME * news + ic * later(slow), nothing)
    return held_out_in_cells(kind, ic, news, noise, random)


def held_out_in_cells(kind: str, ic: float, news: FloatArray, noise: FloatArray, random: np.random.Generator) -> World:
    """Kinds whose news comes in some cells only."""
    shape, nothing = news.shape, np.zeros(news.shape)
    share = 0.03 if kind.startswith("3 %") else 0.10
    cells = random.random(shape) < share
    match kind:
        case "3 % of the cells, no edge":
            returns = noise
        case "10 % of the cells, edge and reaction":
            returns = noise + np.where(cells, SAME * news, 0.0) + ic * later(fading(np.where(cells, news, 0.0), 0.8))
        case "10 % of the cells, no reaction":
            returns = noise + ic * later(fading(np.where(cells, news, 0.0), 0.9))
        case "reports on past moves":
            moved = later(np.where(np.abs(noise) > 2.0, np.sign(noise), 0.0))
            cells, news, returns = cells | (moved != 0.0), moved + 0.5 * news, noise
        case "previews of scheduled news":
            due = (np.arange(len(news))[:, None] + random.integers(0, 63, shape[1])) % 63 == 0
            preview = np.roll(due, -1, axis=0) & (random.random(shape) < 0.5)
            returns = np.where(due, 3.0 * noise + 0.5 * news, noise)
            cells, news = cells | due | preview, np.where(due, news, random.standard_normal(shape))
        case _:
            raise ValueError(f"there is no kind {kind!r}")
    return World(np.where(cells, news, np.nan), returns, nothing)


def last_known(changed: BoolArray, values: FloatArray) -> FloatArray:
    """The value of the last row that changed, 0 before the first."""
    found, now = np.zeros_like(values), np.zeros(values.shape[1])
    for row in range(len(values)):
        now = np.where(changed[row], values[row], now)
        found[row] = now
    return found

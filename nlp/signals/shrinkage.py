"""How many neutral headlines a mean of scores is to be shrunk by, learnt from how much headlines disagree."""

import numpy as np

from newsfolio.shared.arrays import FloatArray
from nlp.signals.cells import Cells

LEAST, MOST = 0.05, 100.0
FEWEST = 30  # disagreements between headlines of one cell, below which nothing is learnt


def fitted_strength(cells: Cells, default: float) -> FloatArray:
    """Return the prior strength for each session (sessions,), fitted on the cells up to that session.

    The credibility of a mean of n headlines is n / (n + k) with k = variance of headlines around the mean of their
    asset and session, over the variance of those means around 0, the neutral score. H. Bühlmann, "Experience rating
    and credibility", ASTIN Bulletin 4, 1967; the variances are the usual unbiased ones of an analysis of variance.
    Expanding, so that later news moves no earlier row; `default` until 30 headlines could disagree. Weights
    matter within a cell only: each cell counts as many headlines as it has.
    """
    within, between, rows, groups = (np.cumsum(each) for each in _parts(cells))
    with np.errstate(divide="ignore", invalid="ignore"):
        noise = within / (rows - groups)
        tone = (between - groups * noise) / rows
        strength = np.where(tone > 0, noise / tone, MOST)
    return np.where(rows - groups >= FEWEST, np.clip(strength, LEAST, MOST), default)


def _parts(cells: Cells) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Per session: squares around the cell means, squares of these means, headlines, cells that have any."""
    said = cells.count > 0
    mean = np.divide(cells.total, cells.weight, out=np.zeros_like(cells.total), where=said)
    effective = np.divide(cells.count, cells.weight, out=np.zeros_like(cells.total), where=said)  # rows per weight
    within = np.maximum(cells.squares - mean * cells.total, 0.0) * effective
    between = cells.count * mean**2
    return within.sum(axis=1), between.sum(axis=1), cells.count.sum(axis=1), said.sum(axis=1).astype(np.float64)

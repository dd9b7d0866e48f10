"""The quadratic programs that portfolios are.

    minimise    w'(diag(p) + V V')w / 2 + q'w + r't
    subject to  B w + C t = c   (equalities),   B w + C t <= c   (a few long rows),
                a w_i + b t_j <= h   (many short rows)

w are the primary variables (weights), t the secondary ones, each beside one weight: the absolute size of a
trade, say. All that stands beside a weight is laid out in tables whose columns are the weights, so that a sum over
what is beside each weight is a sum over rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from newsfolio.shared.arrays import FloatArray

IndexArray = NDArray[np.integer]

total = np.add.reduce  # over the first axis; the sum of an array without the price of its method


@dataclass(frozen=True)
class PerAssetRows:
    """Rows a w + b t <= h beside their weight: `a` and `h` (rows × weights), `b` (sharing × depth × weights).

    The first sharing × depth rows speak of a secondary variable too: row i of the j-th one beside a weight stands in
    place i × depth + j. The others are alone with their weight. Where a row is not needed a = b = 0 and h = 1, which
    always holds; `idle` (depth × weights) is 1 where no secondary variable is, and 0 elsewhere.
    """

    a: FloatArray
    b: FloatArray
    h: FloatArray
    idle: FloatArray

    def shared(self, rows: FloatArray) -> FloatArray:
        """Of a table of all short rows those with a secondary variable: sharing × depth × weights."""
        sharing, depth, n = self.b.shape
        return rows[: sharing * depth].reshape(sharing, depth, n)

    def alone(self, rows: FloatArray) -> FloatArray:
        """Of a table of all short rows those without."""
        return rows[self.b.shape[0] * self.b.shape[1] :]


@dataclass(frozen=True)
class QuadraticProgram:
    """The numbers of one program: `r` (depth × weights), and of the long rows B `long_first` (rows × weights), C
    `long_second` (rows × depth · weights) and c `long_limit`, the `n_equal` equalities first.
    """

    p: FloatArray
    v: FloatArray
    q: FloatArray
    r: FloatArray
    long_first: FloatArray
    long_second: FloatArray
    long_limit: FloatArray
    n_equal: int
    short: PerAssetRows


@dataclass(frozen=True)
class Optimum:
    """Variables; multipliers of the long rows (equalities first) and of the short ones; steps taken."""

    w: FloatArray
    t: FloatArray
    y: FloatArray
    z: FloatArray
    steps: int

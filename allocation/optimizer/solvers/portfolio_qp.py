"""The quadratic programs that portfolios are.

    minimise    w'(diag(p) + V V')w / 2 + q'w + r't
    subject to  B w + C t = c   (equalities),   B w + C t <= c   (a few coupling constraints),
                a w_i + b t_j <= h   (many per-asset constraints)

w are the weights; t are epigraph variables, each of one weight: the absolute size of a trade, say. All that belongs
to one weight is laid out in tables whose columns are the weights, so that a sum over what belongs to each weight is a
sum over rows.
"""

from dataclasses import dataclass

import numpy as np

from newsfolio.shared.arrays import FloatArray

total = np.add.reduce  # over the first axis; the sum of an array without the cost of its method


@dataclass(frozen=True)
class PerAssetRows:
    """Constraints a w + b t <= h: `a` and `h` (rows × weights), `b` (sides × depth × weights).

    The first sides × depth rows contain an epigraph variable too: row i of the j-th variable of a weight stands in
    line i × depth + j. The others are bounds of a weight alone. Where a row is not needed a = b = 0 and h = 1, which
    always holds; `absent` (depth × weights) is 1 where there is no epigraph variable, and 0 elsewhere.
    """

    a: FloatArray
    b: FloatArray
    h: FloatArray
    absent: FloatArray

    def epigraph(self, rows: FloatArray) -> FloatArray:
        """Of a table of all rows those with an epigraph variable: sides × depth × weights."""
        sides, depth, n = self.b.shape
        return rows[: sides * depth].reshape(sides, depth, n)

    def bounds(self, rows: FloatArray) -> FloatArray:
        """Of a table of all rows those without."""
        return rows[self.b.shape[0] * self.b.shape[1] :]


@dataclass(frozen=True)
class QuadraticProgram:
    """The numbers of one program: `r` (depth × weights), and of the coupling constraints B `coupling_w` (rows ×
    weights), C `coupling_t` (rows × depth · weights) and c `coupling_limit`, the `n_equal` equalities first.
    """

    p: FloatArray
    v: FloatArray
    q: FloatArray
    r: FloatArray
    coupling_w: FloatArray
    coupling_t: FloatArray
    coupling_limit: FloatArray
    n_equal: int
    per_asset: PerAssetRows


@dataclass(frozen=True)
class Optimum:
    """Variables; multipliers of the coupling constraints (equalities first) and of the per-asset ones; steps taken."""

    w: FloatArray
    t: FloatArray
    y: FloatArray
    z: FloatArray
    steps: int

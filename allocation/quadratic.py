"""The quadratic programs that portfolios are.

    minimise    w'(diag(p) + V V')w / 2 + q'w + r't
    subject to  B w + C t = c   (equalities),   B w + C t <= c   (a few long rows),
                a w_i + b t_j <= h   (many short rows)

w are the primary variables (weights), t the secondary ones, each beside one weight: the absolute size of a
trade, say.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Positions = NDArray[np.integer]


@dataclass(frozen=True)
class ShortRows:
    """Rows a[r] w[primary[r]] + b[r] t[secondary[r]] <= h[r].

    A row without secondary variable has b = 0 and names the last, a dummy. `first` and `second` are the
    pairs of rows that share a secondary variable.
    """

    primary: Positions
    secondary: Positions
    a: Vector
    b: Vector
    h: Vector
    first: Positions
    second: Positions


@dataclass(frozen=True)
class QuadraticProgram:
    """The numbers of one program; `partner` names the weight that each secondary variable stands beside."""

    p: Vector
    v: Matrix
    q: Vector
    r: Vector
    long_first: Matrix
    long_second: Matrix
    long_limit: Vector
    n_equal: int
    short: ShortRows
    partner: Positions


@dataclass(frozen=True)
class Optimum:
    """Variables; multipliers of the long rows (equalities first) and of the short ones; steps taken."""

    w: Vector
    t: Vector
    y: Vector
    z: Vector
    steps: int

"""The interior point method's first steps in C (kernels.c): some six times the speed of NumPy's many short sums.

The C is compiled when the package is installed. Where there was no compiler there are no kernels, and NumPy does the
same with other last bits; what the active set makes of it afterwards is the same.
"""

import ctypes
import logging
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from allocation.optimizer.solvers.portfolio_qp import QuadraticProgram
from newsfolio.shared.arrays import FloatArray

VERSION = 1  # of the arguments of the function in kernels.c

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kernels:
    """The functions of the compiled file."""

    compiled: ctypes.CDLL

    def approach(self, program: QuadraticProgram, settings: FloatArray, most: int) -> tuple[int, list[FloatArray]]:
        """Start, and take up to `most` steps; -1 where there is no start. Then the iterate, part by part.

        settings: first slack and multiplier, the gap to come to, most and least left of a slack, shortest step,
        largest multiplier.
        """
        short, (sharing, depth, n) = program.short, program.short.b.shape
        n_long, rows = len(program.long_limit), len(short.h)
        sizes = np.array([n, program.v.shape[1], n_long, program.n_equal, sharing, depth, rows], dtype=np.int64)
        numbers = np.concatenate([
            program.p, program.v.T, program.long_first, program.q, program.r, program.long_second, program.long_limit,
            short.a, short.b, short.h, short.idle,
        ], axis=None)  # fmt: skip
        count = n_long - program.n_equal + rows * n
        parts = n, depth * n, program.n_equal, program.n_equal, 2 * count, count
        ends = list(accumulate(parts))
        point = np.empty(ends[-1])
        steps = self.compiled.approach(_at(sizes), _at(numbers), _at(settings), most, _at(point))
        return steps, [point[end - size : end] for size, end in zip(parts, ends, strict=True)]


def _at(array: NDArray[np.generic]) -> int:
    return array.ctypes.data


@cache
def kernels() -> Kernels | None:
    """The compiled kernels; None where there are none."""
    compiled = _compiled()
    return None if compiled is None else Kernels(compiled)


def _compiled() -> ctypes.CDLL | None:
    found = find_spec("allocation._kernels")
    if found is None or found.origin is None:
        return None
    compiled = ctypes.CDLL(found.origin)
    version = int(compiled.version())
    if version != VERSION:
        log.warning("%s is of version %d, not %d: install newsfolio again", found.origin, version, VERSION)
        return None
    compiled.approach.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_int64, ctypes.c_void_p]
    compiled.approach.restype = ctypes.c_int64
    return compiled

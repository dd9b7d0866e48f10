"""Call a policy, and accept nothing but a row of target weights."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocation.errors import AllocationError, PolicyError
from allocation.frames import named
from allocation.view import Policy, View

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


def call_policy(policy: Policy, view: View) -> pd.Series:
    """Return the policy's targets on exactly the assets of the view, in their order; NaN holds.

    Matrices are multiplied by one thread meanwhile: sums in another order differ in their last bits, so that a machine
    with more cores could decide otherwise. For some hundreds of assets it is faster too.

    Raises:
        PolicyError: the policy returned something else than a row of weights.
        AllocationError: what the policy itself raised, with the date in front.
    """
    when = f"{view.now.date()}"
    try:
        with _blas().limit(limits=1):
            answer = policy(view)
    except AllocationError as error:
        raise type(error)(f"{when}: {error}") from error
    if not isinstance(answer, pd.Series):
        raise PolicyError(f"{when}: the policy returned a {type(answer).__name__}: return a Series of weights by asset")
    given, assets = answer.index, view.held.index
    if given.has_duplicates:
        raise PolicyError(f"{when}: duplicate weight for {given[given.duplicated()][0]}: return one weight per asset")
    if not given.equals(assets) and (differing := set(given) ^ set(assets)):
        raise PolicyError(
            f"{when}: the policy's weights and the assets differ in {named(sorted(map(str, differing)))}: "
            "return one weight per asset of the view, NaN to hold"
        )
    if not pd.api.types.is_numeric_dtype(answer) or pd.api.types.is_complex_dtype(answer):
        raise PolicyError(
            f"{when}: the policy returned weights of type {answer.dtype}, such as {answer.iloc[0]!r}: "
            "return numbers, NaN to hold"
        )
    targets = answer if given.equals(assets) else answer.reindex(assets)
    values = np.array(targets, dtype=np.float64)  # a copy: the policy may keep its own and change it
    infinite = np.isinf(values)
    if infinite.any():
        raise PolicyError(f"{when}: infinite weight of {assets[infinite][0]}: return finite weights")
    return pd.Series(values, index=assets)


@cache
def _blas() -> "ThreadpoolController":
    """The linear algebra libraries: looked up once, since that takes milliseconds."""
    import scipy.linalg.lapack  # noqa: F401 - it loads a library of its own, which must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")

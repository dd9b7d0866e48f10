"""The inputs of one rebalancing, matched by label and checked: one finite number per asset, in order."""

import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.frames import named
from allocation.risk.covariance import RiskModel
from newsfolio.shared.arrays import FloatArray


def asset_vector(values: pd.Series, assets: pd.Index, what: str) -> FloatArray:
    """Return one finite number per asset, in the order of `assets`; other labels are ignored.

    Raises:
        OptimizationError: an asset is missing or has two values, or a value is not finite.
    """
    if values.index.equals(assets):
        vector = values.to_numpy(dtype=np.float64)
    elif values.index.has_duplicates:
        repeated = values.index[values.index.duplicated()][0]
        raise OptimizationError(f"duplicate entry for {repeated} in the {what}: keep one")
    else:
        vector = values.reindex(assets).to_numpy(dtype=np.float64)
    broken = np.flatnonzero(~np.isfinite(vector)).tolist()
    if broken:
        present = assets.isin(values.index)
        found = [f"{assets[i]} ({vector[i] if present[i] else 'missing'})" for i in broken]
        raise OptimizationError(f"{what} of {named(found)} is not a finite number: pass one for each asset")
    return vector


def parameter_value(numbers: pd.Series | float, assets: pd.Index, name: str) -> FloatArray:
    """Return a number for the portfolio, or one per asset in order.

    Raises:
        OptimizationError: as `asset_vector`.
    """
    if isinstance(numbers, pd.Series):
        return asset_vector(numbers, assets, name)
    if not np.isfinite(numbers):
        raise OptimizationError(f"{name} is {numbers}: pass a finite number")
    return np.asarray(numbers, dtype=np.float64)


def factor_loadings(risk: RiskModel, assets: pd.Index) -> FloatArray:
    """Return the risk model's loadings (assets × factors), in order; a diagonal covariance has one factor of zeros.

    Raises:
        OptimizationError: the risk model lacks an asset.
    """
    factors = risk.factors
    if not risk.assets.equals(assets):
        missing = assets.difference(risk.assets)
        if len(missing):
            raise OptimizationError(f"the risk model lacks {named(missing)}: estimate it on all assets of the program")
        factors = factors.loc[assets]
    loadings = factors.to_numpy(dtype=np.float64)
    return loadings if loadings.shape[1] else np.zeros((len(assets), 1))  # cvxpy has no parameters without rows

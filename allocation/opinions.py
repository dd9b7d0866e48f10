"""Opinions on portfolios of assets, weighed against an equilibrium."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.frames import named
from allocation.risk import RiskModel


@dataclass(frozen=True)
class Opinion:
    """What a portfolio is expected to earn per session, and how unsure that is (a standard deviation).

    portfolio: weights by ticker, of any sum: {"AAPL": 1, "MSFT": -1} says that AAPL earns more than MSFT.
    """

    portfolio: Mapping[str, float]
    expected_return: float
    sd: float

    def __post_init__(self) -> None:
        """An opinion without doubt would override the prices of all assets."""
        if not self.portfolio or not (np.isfinite(self.expected_return) and np.isfinite(self.sd) and self.sd > 0):
            raise AllocationError(f"{self} is no opinion: name assets, a finite return and a finite sd > 0")


def black_litterman(
    equilibrium: pd.Series, risk: RiskModel, opinions: Sequence[Opinion], *, uncertainty: float = 1.0
) -> pd.Series:
    """Return the expected returns per session that balance the equilibrium with the opinions.

    mu = pi + S P'(P S P' + Omega)^-1 (q - P pi) with S = uncertainty × Sigma and Omega the squared sds on its
    diagonal (F. Black and R. Litterman, "Global portfolio optimization", Financial Analysts Journal 48(5), 1992).
    Without opinions, or where they only repeat it, the result is the equilibrium.

    Raises:
        AllocationError: an opinion names an asset that the risk model lacks, or `uncertainty` is not >= 0.
    """
    if not (np.isfinite(uncertainty) and uncertainty >= 0):
        raise AllocationError(f"uncertainty is {uncertainty}: give a finite number >= 0, of Sigma")
    if not opinions:
        return equilibrium
    pick = pd.DataFrame([dict(opinion.portfolio) for opinion in opinions]).fillna(0.0)
    strangers = pick.columns.difference(risk.assets)
    if len(strangers):
        raise AllocationError(f"an opinion names {named(strangers)}, which the risk model lacks: correct the ticker")
    p = pick.reindex(columns=risk.assets, fill_value=0.0).to_numpy(dtype=np.float64)
    spread = uncertainty * np.column_stack([risk.times(pd.Series(row, index=risk.assets)) for row in p])
    pi = equilibrium.reindex(risk.assets).to_numpy()
    doubt = np.diag([opinion.sd**2 for opinion in opinions])
    surprise = np.array([opinion.expected_return for opinion in opinions]) - p @ pi
    return pd.Series(pi + spread @ np.linalg.solve(p @ spread + doubt, surprise), index=risk.assets)

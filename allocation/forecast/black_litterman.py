"""Views combined with an equilibrium: those of a news model (BlackLitterman), or an investor's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.forecast.grinold import Grinold
from allocation.frames import named
from allocation.risk.covariance import LedoitWolf, RiskEstimator, RiskModel
from allocation.view import View


@dataclass(frozen=True)
class InvestorView:
    """The expected return of a portfolio per session, and its uncertainty (a standard deviation).

    portfolio: weights by ticker, of any sum: {"AAPL": 1, "MSFT": -1} says that AAPL earns more than MSFT.
    """

    portfolio: Mapping[str, float]
    expected_return: float
    sd: float

    def __post_init__(self) -> None:
        """A view without doubt would override the prices of all assets."""
        if not self.portfolio or not (np.isfinite(self.expected_return) and np.isfinite(self.sd) and self.sd > 0):
            raise AllocationError(f"{self} is not a view: pass assets, a finite return and a finite sd > 0")


def black_litterman(
    equilibrium: pd.Series, risk: RiskModel, views: Sequence[InvestorView], *, uncertainty: float = 1.0
) -> pd.Series:
    """Return the expected returns per session that balance the equilibrium with the views.

    mu = pi + S P'(P S P' + Omega)^-1 (q - P pi) with S = uncertainty × Sigma and Omega the squared sds on its
    diagonal (F. Black and R. Litterman, "Global portfolio optimization", Financial Analysts Journal 48(5), 1992).
    Without views, or where they only repeat it, the result is the equilibrium.

    Raises:
        AllocationError: a view names an asset that the risk model lacks, or `uncertainty` is not >= 0.
    """
    if not (np.isfinite(uncertainty) and uncertainty >= 0):
        raise AllocationError(f"uncertainty is {uncertainty}: pass a finite number >= 0, of Sigma")
    if not views:
        return equilibrium
    pick = pd.DataFrame([dict(view.portfolio) for view in views]).fillna(0.0)
    unknown = pick.columns.difference(risk.assets)
    if len(unknown):
        raise AllocationError(f"a view names {named(unknown)}, which the risk model lacks: correct the ticker")
    p = pick.reindex(columns=risk.assets, fill_value=0.0).to_numpy(dtype=np.float64)
    spread = uncertainty * np.column_stack([risk.times(pd.Series(row, index=risk.assets)) for row in p])
    pi = equilibrium.reindex(risk.assets).to_numpy()
    doubt = np.diag([view.sd**2 for view in views])
    surprise = np.array([view.expected_return for view in views]) - p @ pi
    return pd.Series(pi + spread @ np.linalg.solve(p @ spread + doubt, surprise), index=risk.assets)


@dataclass(frozen=True)
class BlackLitterman:
    """The model of `Grinold`, in which news of one asset also informs about those correlated with it.

    In that model a score is a noisy observation of the return to come: its correlation with the
    standardised residual return is the IC. Residual returns have the covariance S, that of `risk` less the mean of all
    assets. The expected return given all scores (the posterior of F. Black and R. Litterman, "Global portfolio
    optimization", Financial Analysts Journal 48(5), 1992, with one view, s × sd / IC of variance sd² (1 - IC²) / IC²,
    for each asset with news) is then, less the equilibrium, which a policy adds,

        IC × S P' D^-1 (IC² C + (1 - IC²) I)^-1 s,    C = D^-1 P S P' D^-1 the correlations, D their sds,

    per session as Grinold's. Where assets do not move together it is Grinold's alpha; when the IC is 0 it is exactly 0.
    Assets without a price now, or with fewer than `min_history` returns in the window of `model`, get 0.
    """

    model: Grinold = field(default_factory=Grinold)
    risk: RiskEstimator = field(default_factory=LedoitWolf)
    min_history: int = 60

    def __call__(self, view: View) -> pd.Series:
        """Return the expected return in excess of the equilibrium, per session, by asset.

        Raises:
            RiskError: the risk model cannot be estimated from these prices.
        """
        read = self.model.read(view)
        expected = pd.Series(0.0, index=view.prices.columns)
        recent = view.prices.iloc[-self.model.window - 1 :]
        returns = (recent.notna() & recent.shift(1).notna()).sum()
        known = recent.columns[recent.iloc[-1].notna() & (returns >= self.min_history)]
        if read.coefficient == 0.0 or not read.score[known].notna().any():
            return expected
        full = self.risk(recent[known]).covariance()
        rows = full - full.mean()  # of returns less their mean over the assets
        covariance = rows.sub(rows.mean(axis=1), axis=0)
        expected[known] = read.per_session(spread_scores(read.coefficient, covariance, read.score[known]))
        return expected


def spread_scores(coefficient: float, covariance: pd.DataFrame, score: pd.Series) -> pd.Series:
    """Return the expected returns of all assets of `covariance` given the scores of some (NaN: none); see above."""
    scored = score.index[score.notna()]
    deviation = np.sqrt(np.diag(covariance))
    deviation = np.where(deviation > 0.0, deviation, 1.0)  # one asset alone is the mean of all: nothing to forecast
    loading = covariance.to_numpy() / deviation  # S D^-1
    has_score = score.notna().to_numpy()
    correlation = (loading / deviation[:, None])[np.ix_(has_score, has_score)]
    observed = coefficient**2 * correlation + (1.0 - coefficient**2) * np.eye(len(scored))
    weight = np.linalg.solve(observed, score[scored].to_numpy())
    return pd.Series(coefficient * loading[:, has_score] @ weight, index=covariance.index)

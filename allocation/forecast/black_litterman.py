"""Views weighed against an equilibrium: those of a news model (BlackLitterman), or an investor's own."""

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
    equilibrium: pd.Series, risk: RiskModel, opinions: Sequence[InvestorView], *, uncertainty: float = 1.0
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


@dataclass(frozen=True)
class BlackLitterman:
    """The model of `Grinold`, in which news of one asset also speaks of those that move with it.

    A score is taken for what it is in that model, a noisy sight of the return to come: its correlation with the
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
        """Return what is expected beyond the equilibrium, per session, by asset.

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
        covariance = _residual_covariance(self.risk(recent[known]))
        expected[known] = read.per_session(spread_scores(read.coefficient, covariance, read.score[known]))
        return expected


def spread_scores(coefficient: float, covariance: pd.DataFrame, score: pd.Series) -> pd.Series:
    """Return the expected returns of all assets of `covariance` given the scores of some (NaN: none); see above."""
    spoken = score.index[score.notna()]
    deviation = np.sqrt(np.diag(covariance))
    loading = covariance.to_numpy() / deviation  # S D^-1
    among = score.notna().to_numpy()
    correlation = (loading / deviation[:, None])[np.ix_(among, among)]
    seen = coefficient**2 * correlation + (1.0 - coefficient**2) * np.eye(len(spoken))
    weight = np.linalg.solve(seen, score[spoken].to_numpy())
    return pd.Series(coefficient * loading[:, among] @ weight, index=covariance.index)


def _residual_covariance(risk: RiskModel) -> pd.DataFrame:
    """Covariance of returns less their mean over the assets."""
    full = risk.covariance()
    rows = full - full.mean()
    return rows.sub(rows.mean(axis=1), axis=0)

"""overfitting(): how often the setting that was best in one half of the history is below the median in the other."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from allocation.errors import FrameError
from newsfolio.shared.arrays import FloatArray


@dataclass(frozen=True)
class Overfitting:
    """One logit per split of the history: of the out-of-sample relative rank of the setting that was best in sample.

    in_sample and out_of_sample: Sharpe ratios per session of that setting.
    """

    logits: FloatArray
    in_sample: FloatArray
    out_of_sample: FloatArray

    @property
    def probability(self) -> float:
        """Probability of backtest overfitting: share of splits in which the best was no better than the median."""
        return float(np.mean(self.logits <= 0.0))

    @property
    def loss(self) -> float:
        """Share of splits in which the best setting lost money out of sample."""
        return float(np.mean(self.out_of_sample < 0.0))

    def __str__(self) -> str:
        """One line: the probability, the number of splits, the share of losses."""
        return (
            f"probability of overfitting {self.probability:.0%}: in that share of {len(self.logits)} splits the best "
            f"setting of one half was no better than the median in the other; it lost money in {self.loss:.0%}"
        )


def overfitting(returns: pd.DataFrame, blocks: int = 10) -> Overfitting:
    """Combinatorially symmetric cross-validation of `returns` (sessions × settings) by the Sharpe ratio.

    History is cut into `blocks` (even); each half of them is in turn the sample, the rest the test. D. Bailey,
    J. Borwein, M. Lopez de Prado and Q. Zhu, "The probability of backtest overfitting", Journal of Computational
    Finance 20(4), 2017.

    Raises:
        FrameError: fewer than two settings, a gap in the returns, an odd number of blocks, or too few sessions.
    """
    values = returns.to_numpy(dtype=np.float64)
    if values.shape[1] < 2 or not np.isfinite(values).all():
        raise FrameError(
            f"{values.shape[1]} settings with {np.isnan(values).sum()} gaps: give two or more, same sessions"
        )
    if blocks < 2 or blocks % 2 or blocks > 20 or len(values) < 2 * blocks:
        raise FrameError(f"{blocks} blocks of {len(values)} sessions: use an even number up to 20, two sessions each")
    parts = np.array_split(values, blocks)
    sums, squares = (np.array([(part**power).sum(axis=0) for part in parts]) for power in (1, 2))
    lengths = np.array([len(part) for part in parts])
    chosen = np.array([[i in half for i in range(blocks)] for half in combinations(range(blocks), blocks // 2)])

    def sharpe(rows: FloatArray) -> FloatArray:
        """Per session (splits × settings), from the sums of the blocks in each split."""
        n = (rows @ lengths)[:, None]
        mean = rows @ sums / n
        spread = np.sqrt(np.maximum(rows @ squares / n - mean**2, 0.0) * n / (n - 1))
        return np.where(spread > 1e-12, mean / np.where(spread > 1e-12, spread, 1.0), 0.0)

    trained, tested = (sharpe(rows.astype(np.float64)) for rows in (chosen, ~chosen))
    best, rows = trained.argmax(axis=1), np.arange(len(chosen))
    after = tested[rows, best]
    # Ties share their rank, so that identical settings lie at the median, not at the bottom.
    below = (tested < after[:, None]).sum(axis=1) + ((tested == after[:, None]).sum(axis=1) + 1) / 2
    relative = below / (values.shape[1] + 1)
    return Overfitting(np.log(relative / (1.0 - relative)), trained[rows, best], after)

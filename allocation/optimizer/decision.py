"""What was decided and why: the value of each term, the shadow price of each rule, and the forces on one asset."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.frames import named
from allocation.optimizer.solvers.cone_program import Residuals

BASIS_POINT = 1e-4
# Utility per session per unit of NAV below which a rule does not bind: a hundredth of a basis point.
NOT_BINDING = 1e-6
# Of the largest slope: what binds at least, whatever the unit of returns; and slopes that differ by less are equal.
RELATIVE, SAME_SLOPE = 1e-3, 1e-9
MAX_PRINTED = 10


def binding_from(size: float) -> float:
    """The multiplier above which a rule binds where slopes are up to `size`."""
    return min(NOT_BINDING, RELATIVE * size)


@dataclass(frozen=True)
class ShadowPrice:
    """What loosening a rule by one unit of NAV would add to utility per session.

    asset: where the rule limits one weight; part: which of a rule's other limits it is (a group, or a row). Where the
    optimum is degenerate it is one of several multipliers: `Decision.one_sided` has the smallest and the largest.
    """

    rule: str
    asset: str | None
    price: float
    part: str | None = None
    row: tuple[int, int] = field(default=(0, 0), repr=False, compare=False)  # which constraint of the rule, which row

    def __str__(self) -> str:
        where = self.asset or self.part
        return f"{self.rule}{f' on {where}' if where else ''}: {self.price / BASIS_POINT:.2f} bp"


@dataclass(frozen=True)
class Explanation:
    """Why one asset has its weight.

    gain, loss: utility per session, per unit of NAV, of buying a little more and of selling a little, term by
    term; force, release: the pull of each rule against buying, and its relief where some is sold. They differ
    where a rule has a kink, as turnover does at what is held. At an optimum the gain of buying is at most the sum
    of forces, and the loss of selling at least the sum of reliefs. A soft rule pulls with up to its price.
    """

    asset: str
    weight: float
    held: float
    gain: pd.Series
    loss: pd.Series
    force: pd.Series
    release: pd.Series

    @property
    def balance(self) -> pd.Series:
        """What pushes the weight up (positive) and down, term by term and rule by rule: at an optimum they sum to zero.

        The slope of a part with a kink at this weight is any number between those on its two sides; all such parts
        are taken at the same fraction of that interval, the one at which the sum is zero.
        """
        buying = pd.concat([self.gain, -self.force])
        selling = pd.concat([self.loss, -self.release])
        width = float((selling - buying).sum())
        size = float(pd.concat([buying, selling]).abs().max())
        share = min(max(-float(buying.sum()) / width, 0.0), 1.0) if width > SAME_SLOPE * size else 0.5
        return pd.Series(buying + share * (selling - buying))

    @property
    def held_by(self) -> list[str]:
        """The rules that bind this asset."""
        slopes = pd.concat([self.gain, self.loss, self.force, self.release])
        least = binding_from(float(slopes.abs().max()))
        pulling = (self.force.abs() > least) | (self.release.abs() > least)
        return [str(rule) for rule in self.force.index[pulling]]

    def __str__(self) -> str:
        lines = [f"{self.asset}: {self.weight:.2%} of NAV, {self.held:.2%} before", "per session, in basis points:"]
        lines += [
            f"  {term}: buying more {_points(gain)}, selling {_points(-self.loss[str(term)])}"
            for term, gain in self.gain.items()
        ]
        lines.append(f"  in all: buying more {_points(self.gain.sum())}, selling {_points(-self.loss.sum())}")
        for rule in self.held_by:
            force, release = float(self.force[rule]), float(self.release[rule])
            same = abs(force - release) <= NOT_BINDING
            pull = f"at {_points(force)}" if same else f"between {_points(release)} and {_points(force)}"
            lines.append(f"  {rule} holds it {pull}")
        return "\n".join(lines if self.held_by else [*lines, "  no rule holds it"])


def _points(value: float) -> str:
    return f"{round(value / BASIS_POINT, 2) + 0.0:+.2f}"  # no -0.00


@dataclass(frozen=True)
class Decision:
    """Weights and what led to them; all values are per session.

    budget: what the weights and cash sum to, 1 less the weight of assets that cannot be traded now.
    status: "optimal"; "relaxed" where rules had to be relaxed (`relaxed` names them); "held" where none helped.
    """

    weights: pd.Series
    held: pd.Series
    status: str
    solver: str
    iterations: int
    residuals: Residuals
    terms: pd.Series
    prices: tuple[ShadowPrice, ...]
    relaxed: tuple[str, ...] = ()
    reason: str = ""
    budget: float = 1.0
    _explain: Callable[[str], Explanation] | None = field(default=None, repr=False, compare=False)
    _one_sided: Callable[[ShadowPrice], tuple[float, float]] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of_held(cls, held: pd.Series) -> "Decision":
        """Nothing was optimised: the weights are those held."""
        nothing = pd.Series(dtype=float)
        return cls(
            weights=held,
            held=held,
            status="held",
            solver="none",
            iterations=0,
            residuals=Residuals(0.0, 0.0, 0.0),
            terms=nothing,
            prices=(),
        )

    @property
    def utility(self) -> float:
        """The sum of the terms."""
        return float(self.terms.sum())

    @property
    def turnover(self) -> float:
        """Sum of absolute trades."""
        return float((self.weights - self.held).abs().sum())

    def explain(self, asset: str) -> Explanation:
        """Why `asset` has its weight.

        Raises:
            OptimizationError: the asset is not in the program, or nothing was optimised.
        """
        if asset not in self.weights.index:
            raise OptimizationError(f"{asset} was not decided on: the program has {named(self.weights.index)}")
        if self._explain is None:
            raise OptimizationError(f"nothing was optimised, the weights are {self.status}: {self.reason}")
        return self._explain(asset)

    def one_sided(self, price: ShadowPrice) -> tuple[float, float]:
        """What loosening the limit a little adds to utility per unit, and what tightening it costs.

        They differ where the optimum is degenerate: several rules then share what holds the weights, and no single
        multiplier is the price. Each takes three further solves. Infinite where a tighter limit cannot be met, NaN
        where no solver can tell.

        Raises:
            OptimizationError: nothing was optimised.
        """
        if self._one_sided is None:
            raise OptimizationError(f"nothing was optimised, the weights are {self.status}: {self.reason}")
        return self._one_sided(price)

    def __str__(self) -> str:
        dearest = sorted(self.prices, key=lambda price: -price.price)
        cash = round(self.budget - self.weights.sum(), 4) + 0.0  # no -0.00
        lines = [
            f"{self.status}: {int((self.weights != 0).sum())} of {len(self.weights)} assets, cash "
            f"{cash:.2%}, turnover {self.turnover:.2%} "
            f"({self.solver}, {self.iterations} iterations, {self.residuals})",
            *([self.reason] if self.reason else []),
            *(f"  {name}: {_points(value)} bp" for name, value in self.terms.items()),
            *(f"  binding: {price}" for price in dearest[:MAX_PRINTED]),
            *([f"  and {len(dearest) - MAX_PRINTED} more"] if len(dearest) > MAX_PRINTED else []),
        ]
        return "\n".join(lines)


def directional(
    value: Callable[[np.ndarray], float], at: np.ndarray, which: int, step: float = 1e-6
) -> tuple[float, float]:
    """Return the slope of `value` to the right and from the left of `at` along one coordinate."""
    here, ahead, behind = value(at), at.copy(), at.copy()
    ahead[which] += step
    behind[which] -= step
    return (value(ahead) - here) / step, (here - value(behind)) / step

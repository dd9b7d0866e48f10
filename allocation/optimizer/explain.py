"""From a solved program to a Decision: terms, shadow prices, and the forces on one asset."""

from collections.abc import Callable, Mapping

import cvxpy as cp
import numpy as np
import pandas as pd

from allocation.optimizer.decision import NOT_BINDING, Decision, Explanation, ShadowPrice, directional
from allocation.optimizer.program import OBJECTIVE_SCALE, Program
from allocation.optimizer.solvers.cascade import Solution
from newsfolio.shared.arrays import FloatArray

LINEAR = cp.constraints.Inequality | cp.constraints.Equality | cp.constraints.Zero
NO_MULTIPLIER = 1e-12  # rounding
Slopes = Callable[[cp.Expression], tuple[float, float]]


def explain_decision(
    program: Program, solution: Solution, values: Mapping[str, FloatArray], weights: pd.Series, held: pd.Series
) -> Decision:
    """Return the decision with the value of each term and the shadow price of each binding rule."""
    program.load(values, solution)
    expressions = program.terms | {f"price of violating {name}": cost for name, cost in program.penalties.items()}
    terms = pd.Series({name: float(term.value) for name, term in expressions.items()}, dtype=float)
    prices = tuple(price for name in program.rules for price in _prices(program, name))

    def explain(asset: str) -> Explanation:
        program.load(values, solution)  # the program may have solved for other numbers since
        return _explain(program, asset, weights, held)

    return Decision(
        weights, held, solution.status, solution.solver, solution.iterations, solution.residuals, terms, prices,
        _explain=explain,
    )  # fmt: skip


def _prices(program: Program, name: str) -> list[ShadowPrice]:
    """Shadow prices of a rule; an asset that was not selected is held at zero by that selection, not by a rule."""
    chosen = np.ones(len(program.spec.assets)) if program.choice is None else program.choice.value
    outside = {asset for asset, kept in zip(program.spec.assets, chosen, strict=True) if kept < 0.5}
    found = []
    for rule in program.enforced[name]:
        duals = np.atleast_1d(multiplier(rule))
        assets: tuple[str | None, ...] = program.spec.assets if len(duals) == len(program.spec.assets) else ()
        labels = assets or (None,) * len(duals)
        found += [
            ShadowPrice(name, asset, float(price))
            for asset, price in zip(labels, np.abs(duals), strict=True)
            if price > NOT_BINDING and asset not in outside
        ]
    return found


def multiplier(rule: cp.Constraint) -> FloatArray:
    """The multiplier of each row, per session; of a second-order cone, that of its bound; zero for other forms."""
    if rule.dual_value is None or not isinstance(rule, LINEAR | cp.SOC):
        return np.zeros(1)
    dual = rule.dual_value[0] if isinstance(rule, cp.SOC) else rule.dual_value
    return np.asarray(dual, dtype=np.float64).ravel() / OBJECTIVE_SCALE


def _explain(program: Program, asset: str, weights: pd.Series, held: pd.Series) -> Explanation:
    at, which = np.array(program.symbols.weights.value), program.spec.assets.index(asset)

    def slopes(expression: cp.Expression) -> tuple[float, float]:
        """To the right and from the left along this asset's weight."""

        def value(point: FloatArray) -> float:
            program.symbols.weights.value = point
            return float(expression.value)

        found = directional(value, at, which)
        program.symbols.weights.value = at
        return found

    both = {name: slopes(term) for name, term in program.terms.items()}
    pulls = {name: [_force(rule, slopes) for rule in rules] for name, rules in program.enforced.items()}
    return Explanation(
        asset, float(weights[asset]), float(held[asset]),
        pd.Series({name: up for name, (up, _) in both.items()}, dtype=float),
        pd.Series({name: down for name, (_, down) in both.items()}, dtype=float),
        pd.Series({name: sum(up for up, _ in found) for name, found in pulls.items()}, dtype=float),
        pd.Series({name: sum(down for _, down in found) for name, found in pulls.items()}, dtype=float),
    )  # fmt: skip


def _force(rule: cp.Constraint, slopes: Slopes) -> tuple[float, float]:
    """The multiplier times how the rule's left side grows with the weight, to the right and from the left."""
    if not np.abs(multiplier(rule)).max(initial=0.0) > NO_MULTIPLIER:
        return 0.0, 0.0
    if isinstance(rule, cp.SOC):  # the bound less the norm, in the dual cone's product
        pairs = zip(rule.dual_value, rule.args, strict=True)
        weighed = -sum(cp.sum(cp.multiply(np.reshape(dual, part.shape), part)) for dual, part in pairs)
    else:
        weighed = cp.sum(cp.multiply(np.reshape(rule.dual_value, rule.shape), rule.expr))
    right, left = slopes(weighed)
    return right / OBJECTIVE_SCALE, left / OBJECTIVE_SCALE

"""From a solved program to a Decision: terms, shadow prices, and the forces on one asset."""

from collections.abc import Callable, Mapping

import cvxpy as cp
import numpy as np
import pandas as pd

from allocation.canonical import Vector
from allocation.decision import FREE, Decision, Explanation, ShadowPrice, directional
from allocation.program import OBJECTIVE_SCALE, Program
from allocation.solvers import Solution

Slopes = Callable[[cp.Expression], tuple[float, float]]


def explain_decision(
    program: Program, solution: Solution, values: Mapping[str, Vector], weights: pd.Series, held: pd.Series
) -> Decision:
    """Return the decision with the value of each term and the price of each binding rule."""
    program.load(values, solution)
    terms = pd.Series({name: float(term.value) for name, term in program.terms.items()}, dtype=float)
    prices = tuple(price for name in program.rules for price in _prices(program, name))

    def explain(asset: str) -> Explanation:
        program.load(values, solution)  # the program may have solved for other numbers since
        return _explain(program, asset, weights, held)

    return Decision(
        weights, held, solution.status, solution.solver, solution.iterations, solution.residuals, terms, prices,
        _explain=explain,
    )  # fmt: skip


def _prices(program: Program, name: str) -> list[ShadowPrice]:
    """Prices of a rule's rows; an asset that a search left out is held at zero by that choice, not by a rule."""
    chosen = np.ones(len(program.recipe.assets)) if program.choice is None else program.choice.value
    outside = {asset for asset, kept in zip(program.recipe.assets, chosen, strict=True) if kept < 0.5}
    found = []
    for rule in program.rules[name]:
        duals = np.atleast_1d(multiplier(rule))
        assets: tuple[str | None, ...] = program.recipe.assets if len(duals) == len(program.recipe.assets) else ()
        labels = assets or (None,) * len(duals)
        found += [
            ShadowPrice(name, asset, float(price))
            for asset, price in zip(labels, np.abs(duals), strict=True)
            if price > FREE and asset not in outside
        ]
    return found


def multiplier(rule: cp.Constraint) -> Vector:
    """The multiplier of an equality or inequality, per session; zero where a rule has another form."""
    if rule.dual_value is None or not isinstance(rule, (cp.constraints.Inequality, cp.constraints.Equality)):
        return np.zeros(1)
    return np.asarray(rule.dual_value, dtype=np.float64).ravel() / OBJECTIVE_SCALE


def _explain(program: Program, asset: str, weights: pd.Series, held: pd.Series) -> Explanation:
    at, which = np.array(program.symbols.weights.value), program.recipe.assets.index(asset)

    def slopes(expression: cp.Expression) -> tuple[float, float]:
        def value(point: Vector) -> float:
            program.symbols.weights.value = point
            return float(expression.value)

        found = directional(value, at, which)
        program.symbols.weights.value = at
        return found

    both = {name: slopes(term) for name, term in program.terms.items()}
    pulls = {name: [_force(rule, slopes) for rule in rules] for name, rules in program.rules.items()}
    return Explanation(
        asset, float(weights[asset]), float(held[asset]),
        pd.Series({name: up for name, (up, _) in both.items()}, dtype=float),
        pd.Series({name: down for name, (_, down) in both.items()}, dtype=float),
        pd.Series({name: sum(up for up, _ in found) for name, found in pulls.items()}, dtype=float),
        pd.Series({name: sum(down for _, down in found) for name, found in pulls.items()}, dtype=float),
    )  # fmt: skip


def _force(rule: cp.Constraint, slopes: Slopes) -> tuple[float, float]:
    """The multiplier times how the rule's left side grows with the weight, to the right and from the left."""
    price = multiplier(rule)
    if not np.abs(price).max() > FREE:
        return 0.0, 0.0
    return slopes(cp.sum(cp.multiply(price.reshape(rule.shape), rule.expr)))

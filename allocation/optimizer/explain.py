"""From a solved program to a Decision: terms, shadow prices, and the forces on one asset."""

from collections.abc import Callable, Mapping

import cvxpy as cp
import numpy as np
import pandas as pd

from allocation.errors import OptimizationError
from allocation.optimizer.decision import Decision, Explanation, ShadowPrice, binding_from, directional
from allocation.optimizer.model.symbols import EXPECTED_RETURN
from allocation.optimizer.program import OBJECTIVE_SCALE, Program
from allocation.optimizer.solvers.cascade import OPTIMAL, Solution, SolverForms, solve
from allocation.optimizer.solvers.cone_program import ParametrisedConeProgram
from newsfolio.shared.arrays import FloatArray

LINEAR = cp.constraints.Inequality | cp.constraints.Equality | cp.constraints.Zero
STEP, LIMIT = 1e-5, "change of a limit"  # of a limit, for its one-sided prices; its name among the numbers
Slopes = Callable[[cp.Expression], tuple[float, float]]


def explain_decision(
    program: Program, solution: Solution, values: Mapping[str, FloatArray], weights: pd.Series, held: pd.Series
) -> Decision:
    """Return the decision with the value of each term and the shadow price of each binding rule."""
    program.load(values, solution)
    expressions = program.terms | {f"price of violating {name}": cost for name, cost in program.penalties.items()}
    terms = pd.Series({name: float(term.value) for name, term in expressions.items()}, dtype=float)
    duals = [multiplier(rule) for rules in program.enforced.values() for rule in rules]
    size = max(
        [float(np.abs(values[EXPECTED_RETURN]).max()), *(float(np.abs(dual).max(initial=0.0)) for dual in duals)]
    )
    prices = tuple(price for name in program.rules for price in _prices(program, name, binding_from(size)))

    def explain(asset: str) -> Explanation:
        program.load(values, solution)  # the program may have solved for other numbers since
        return _explain(program, asset, weights, held)

    def one_sided(price: ShadowPrice) -> tuple[float, float]:
        program.load(values, solution)
        return _one_sided(program, values, price)

    return Decision(
        weights=weights,
        held=held,
        status=solution.status,
        solver=solution.solver,
        iterations=solution.iterations,
        residuals=solution.residuals,
        terms=terms,
        prices=prices,
        _explain=explain,
        _one_sided=one_sided,
    )


def _prices(program: Program, name: str, least: float) -> list[ShadowPrice]:
    """Shadow prices of a rule; an asset that was not selected is held at zero by that selection, not by a rule."""
    chosen = np.ones(len(program.spec.assets)) if program.choice is None else program.choice.value
    outside = {asset for asset, kept in zip(program.spec.assets, chosen, strict=True) if kept < 0.5}
    found = []
    for which, rule in enumerate(program.enforced[name]):
        duals = np.abs(np.atleast_1d(multiplier(rule)))
        if not (duals > least).any():
            continue
        # The asset whose weight alone a row limits; None where it limits several.
        table = _gradient(program, rule, len(duals)) > 0
        alone = zip(table.argmax(axis=0), table.sum(axis=0) == 1, strict=True)
        assets = [program.spec.assets[at] if one else None for at, one in alone]
        for row in np.flatnonzero(duals > least).tolist():
            if assets[row] in outside:
                continue
            part = rule.label or (f"row {row + 1}" if len(duals) > 1 else None)
            place = None if assets[row] else part
            found.append(ShadowPrice(name, assets[row], float(duals[row]), part=place, row=(which, row)))
    return found


def _gradient(program: Program, rule: cp.Constraint, n_rows: int) -> FloatArray:
    """How fast each row of a rule changes with each weight, in size (assets × rows); 0 where that is not known."""
    gradient = rule.expr.grad.get(program.symbols.weights) if isinstance(rule, LINEAR) else None
    if gradient is None:
        return np.zeros((len(program.spec.assets), n_rows))
    dense = gradient.toarray() if hasattr(gradient, "toarray") else np.asarray(gradient)
    return np.asarray(np.abs(dense.reshape(len(program.spec.assets), n_rows)))


def _one_sided(program: Program, values: Mapping[str, FloatArray], price: ShadowPrice) -> tuple[float, float]:
    """Differences of the best utility, at a limit a little looser and a little tighter."""
    which, row = price.row
    rule = program.enforced[price.rule][which]
    is_cone = isinstance(rule, cp.SOC)
    limit = cp.Parameter(rule.args[0].shape if is_cone else rule.shape)
    if is_cone:
        moved: cp.Constraint = cp.SOC(rule.args[0] + limit, rule.args[1], axis=rule.axis)
    else:
        moved = rule.expr <= limit if isinstance(rule, cp.constraints.Inequality) else rule.expr == limit
    # A limit of 0 has no size of its own: what a weight of 1 adds to its row has.
    sides = [np.abs(np.atleast_1d(part.value)).ravel() for part in rule.args[: 1 if is_cone else 2]]
    sizes = [float(np.resize(side, row + 1)[row]) for side in sides]
    step = STEP * (max(*sizes, float(_gradient(program, rule, limit.size)[:, row].max())) or 1.0)
    rules = [moved if other is rule else other for other in program.problem.constraints]
    problem = cp.Problem(program.problem.objective, rules)
    for variable in problem.variables():  # cvxpy compiles a sum of the largest from where they stand, which may fail
        variable.value = None
    compiled = ParametrisedConeProgram(problem, {**program.inputs.computes, limit: lambda named: named[LIMIT]})
    forms = SolverForms(compiled, compiled.columns_of(program.symbols.weights))

    def best(change: float) -> float:
        """The best utility with the limit moved by `change`; -infinity where nothing satisfies the rules then.

        NaN where no solver tells: a limit tighter than can be met is so by next to nothing.
        """
        by_row = np.zeros(limit.size)
        by_row[row] = change
        data = compiled.apply({**values, LIMIT: by_row.reshape(limit.shape)})
        try:
            found = solve(forms, data)
        except OptimizationError:
            return np.nan
        return found.utility(data) / OBJECTIVE_SCALE if found.status == OPTIMAL else -np.inf

    here, above, below = best(0.0), best(step), best(-step)
    if not isinstance(rule, cp.constraints.Inequality | cp.SOC) and below > above:  # an equality is loosened downwards
        above, below = below, above
    return (above - here) / step, (here - below) / step


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
        asset=asset,
        weight=float(weights[asset]),
        held=float(held[asset]),
        gain=pd.Series({name: up for name, (up, _) in both.items()}, dtype=float),
        loss=pd.Series({name: down for name, (_, down) in both.items()}, dtype=float),
        force=pd.Series({name: sum(up for up, _ in found) for name, found in pulls.items()}, dtype=float),
        release=pd.Series({name: sum(down for _, down in found) for name, found in pulls.items()}, dtype=float),
    )


def _force(rule: cp.Constraint, slopes: Slopes) -> tuple[float, float]:
    """The multiplier times how the rule's left side grows with the weight, to the right and from the left."""
    if not multiplier(rule).any():
        return 0.0, 0.0
    if isinstance(rule, cp.SOC):  # the bound less the norm, in the dual cone's product
        pairs = zip(rule.dual_value, rule.args, strict=True)
        weighed = -sum(cp.sum(cp.multiply(np.reshape(dual, part.shape), part)) for dual, part in pairs)
    else:
        weighed = cp.sum(cp.multiply(np.reshape(rule.dual_value, rule.shape), rule.expr))
    right, left = slopes(weighed)
    return right / OBJECTIVE_SCALE, left / OBJECTIVE_SCALE

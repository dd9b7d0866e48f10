"""The program: as good as other solvers' best, the same bits every time, its failures said aloud."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from allocation import MeanVariance, OptimizationError, RiskModel, equilibrium_return
from allocation.optimizer.model.constraints import LongOnly, MaxWeight, MinCash
from allocation.optimizer.model.terms import NetUtility
from allocation.optimizer.solvers import cascade as solvers

SEEDS = st.integers(0, 10_000)
NOTHING = pd.Series(dtype=float)


class Case:
    """A random rebalancing of `n_assets`, long only, limited, with cash kept back and trading costs."""

    def __init__(self, seed, n_assets=6, n_factors=3):
        random = np.random.default_rng(seed)
        self.assets = [f"A{i:0{len(str(n_assets - 1))}}" for i in range(n_assets)]
        self.gamma, self.cost = random.uniform(1, 15), random.choice([0.0, 2e-4, 1e-3])
        self.limit, self.kept, self.locked = random.uniform(1.0 / n_assets, 1.0), 0.02, random.uniform(0.0, 0.4)
        loadings = 0.01 * random.standard_normal((n_assets, n_factors))
        specific = random.uniform(2e-5, 4e-4, n_assets)
        self.risk = RiskModel(pd.DataFrame(loadings, index=self.assets), pd.Series(specific, index=self.assets))
        self.mu = pd.Series(1e-3 * random.standard_normal(n_assets), index=self.assets)
        held = random.dirichlet(np.ones(n_assets)) * random.uniform(0, 1 - self.locked)
        self.held = pd.Series(np.minimum(held, self.limit), index=self.assets)
        self.sigma = loadings @ loadings.T + np.diag(specific)

    def program(self):
        rules = (LongOnly(), MaxWeight(self.limit), MinCash(self.kept))
        return MeanVariance(self.assets, NetUtility(self.gamma, self.cost), rules)

    def solve(self, program=None):
        return (program or self.program()).weights(self.mu, self.risk, self.held, untradable_weight=self.locked)

    def utility(self, w):
        """In plain numpy, from the full matrix."""
        w = np.asarray(w)
        return self.mu.to_numpy() @ w - self.gamma * w @ self.sigma @ w - self.cost * np.abs(w - self.held).sum()

    def by_slsqp(self):
        """Buys and sells as separate variables, so that the cost is smooth."""
        n, held, budget = len(self.assets), self.held.to_numpy(), 1 - self.locked - self.kept
        split = np.hstack([np.eye(n), -np.eye(n)])

        def loss(x):
            w = held + split @ x
            return -252 * (self.mu.to_numpy() @ w - self.gamma * w @ self.sigma @ w - self.cost * x.sum())

        def slope(x):
            w = held + split @ x
            return -252 * (split.T @ (self.mu.to_numpy() - 2 * self.gamma * self.sigma @ w) - self.cost)

        rules = [
            {"type": "ineq", "fun": lambda x: budget - (held + split @ x).sum(), "jac": lambda _: -split.sum(axis=0)},
            {"type": "ineq", "fun": lambda x: held + split @ x, "jac": lambda _: split},
            {"type": "ineq", "fun": lambda x: self.limit - held - split @ x, "jac": lambda _: -split},
        ]
        start = np.concatenate([np.zeros(n), held])
        options = {"ftol": 1e-14, "maxiter": 500}
        found = minimize(loss, start, jac=slope, bounds=[(0, 2)] * 2 * n, constraints=rules, options=options)
        return np.clip(held + split @ found.x, 0, self.limit)

    def by_another_model(self):
        """Written anew with the full matrix, for a first-order solver."""
        w = cp.Variable(len(self.assets))
        gain = self.mu.to_numpy() @ w - self.gamma * cp.quad_form(w, cp.psd_wrap(self.sigma))
        objective = 1e3 * (gain - self.cost * cp.norm1(w - self.held.to_numpy()))
        rules = [w >= 0, w <= self.limit, cp.sum(w) <= 1 - self.locked - self.kept]
        cp.Problem(cp.Maximize(objective), rules).solve(
            solver=cp.OSQP, eps_abs=1e-8, eps_rel=1e-8, max_iter=200_000, polishing=True
        )
        return w.value


@settings(max_examples=60)
@given(seed=SEEDS, n_assets=st.integers(2, 9), n_factors=st.integers(1, 9))
def test_constraints_hold_and_nobody_finds_better(seed, n_assets, n_factors):
    """Utilities are per session, of size 1e-4 to 1e-3: a millionth of that is what may differ."""
    case = Case(seed, n_assets, n_factors)
    found = case.solve()
    assert list(found.index) == case.assets
    assert found.min() >= 0.0
    assert found.max() <= case.limit + 1e-6
    assert found.sum() <= 1 - case.locked - case.kept + 1e-6
    for rival in (case.by_slsqp(), case.by_another_model()):
        assert case.utility(found) >= case.utility(rival) - 1e-8
        np.testing.assert_allclose(found, rival, atol=1e-3)


@settings(max_examples=20)
@given(seed=SEEDS, order=st.permutations(range(6)))
def test_the_order_of_assets_changes_no_bit(seed, order):
    case, other = Case(seed), Case(seed)
    other.assets = [case.assets[i] for i in order]
    other.mu, other.held = case.mu[other.assets[::-1]], case.held.sample(frac=1.0, random_state=seed)
    other.risk = RiskModel(case.risk.factors.loc[other.assets], case.risk.specific[other.assets])
    assert other.solve().equals(case.solve())


def test_labels_that_the_program_does_not_know_are_ignored():
    case, wide = Case(1), Case(1)
    wide.mu = pd.concat([pd.Series({"ZZZ": 9.0}), case.mu])
    wide.held = pd.concat([pd.Series({"ZZZ": 0.5}), case.held])
    assert wide.solve(case.program()).equals(case.solve())


@settings(max_examples=20)
@given(seeds=st.lists(SEEDS, min_size=2, max_size=4), n_factors=st.integers(1, 6))
def test_a_solve_knows_nothing_of_those_before_it(seeds, n_factors):
    program = Case(seeds[0]).program()
    cases = [Case(seeds[0], n_factors=n_factors), *(Case(seed) for seed in seeds[1:])]
    first = cases[0].solve(program)
    for case in cases[1:]:
        case.solve(program) if case.limit * 6 > 1 else None
    assert cases[0].solve(program).equals(first)
    assert cases[0].solve().equals(first)


def test_a_failure_is_forgotten_too():
    case = Case(1)
    program = MeanVariance(
        case.assets, NetUtility(), (LongOnly(), lambda s: [s.weights <= s.held + 0.1, s.cash == 0.1])
    )
    first = program.weights(case.mu, case.risk, case.held * 0 + 0.15)
    with pytest.raises(OptimizationError, match="infeasible"):
        program.weights(case.mu, case.risk, case.held * 0)
    assert program.weights(case.mu, case.risk, case.held * 0 + 0.15).equals(first)


@pytest.mark.parametrize("n_factors", [1, 3, 60])
def test_the_problem_is_compiled_once(n_factors):
    assert Case(1).program().is_dpp(n_factors)


def test_a_change_of_the_number_of_factors_is_a_change_of_form_only():
    """Zero columns, and a rotation, leave the matrix as it was."""
    case = Case(2)
    program, expected = case.program(), case.solve()
    loadings = case.risk.factors.to_numpy()
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0][:3]
    for same in (np.hstack([loadings, np.zeros((6, 4))]), loadings @ rotation):
        risk = RiskModel(pd.DataFrame(same, index=case.assets), case.risk.specific)
        found = program.weights(case.mu, risk, case.held, untradable_weight=case.locked)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_diagonal_covariance_needs_no_factor():
    case = Case(1)
    diagonal = RiskModel(case.risk.factors.iloc[:, :0], case.risk.specific)
    found = MeanVariance(case.assets, NetUtility(5, 0)).weights(case.mu, diagonal, case.held)
    np.testing.assert_allclose(found, case.mu / (10 * case.risk.specific), atol=1e-6)


@settings(max_examples=15)
@given(seed=SEEDS, untradable=st.floats(0.0, 0.9))
def test_the_budget_is_what_can_be_traded(seed, untradable):
    case = Case(seed)
    program = MeanVariance(case.assets, NetUtility(0.1, 0.0), (LongOnly(),))
    found = program.weights(case.mu.abs() + 1e-3, case.risk, case.held, untradable_weight=untradable)
    assert found.sum() == pytest.approx(1 - untradable, abs=1e-6)


def failing(objective=None, rules=(), **changes):
    case = Case(1)
    inputs = {"mu": case.mu, "risk": case.risk, "held": case.held, "untradable_weight": 0.0} | changes
    program = MeanVariance(case.assets, objective or NetUtility(), rules)
    return program.weights(inputs["mu"], inputs["risk"], inputs["held"], untradable_weight=inputs["untradable_weight"])


@pytest.mark.parametrize(
    ("objective", "rules", "complaint"),
    [
        (None, [LongOnly(), MinCash(1.5)], "CLARABEL infeasible.*constraints contradict each other.*loosen one"),
        (None, [lambda s: [s.weights >= 0.5, s.cash >= 0]], "CLARABEL infeasible.*loosen one"),
        (lambda s: s.expected_return, [], "CLARABEL unbounded.*nothing limits the gain; add a risk term or bounds"),
        (lambda s: s.expected_return + s.variance, [], "not concave.*subtract risks and costs"),
        (NetUtility(cost=-0.1), [], "not concave.*subtract risks and costs"),
        (None, [lambda s: [s.variance >= 1e-4]], "a constraint is not convex.*bound convex terms from above only"),
    ],
)
def test_a_program_without_an_optimum_says_why_and_what_to_do(objective, rules, complaint):
    with pytest.raises(OptimizationError, match=complaint):
        failing(objective, rules)


def test_more_than_everything_untradable_is_infeasible():
    with pytest.raises(OptimizationError, match="infeasible"):
        failing(rules=[LongOnly()], untradable_weight=1.2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("name", "what"), [("mu", "expected return"), ("held", "held weight")])
def test_an_input_that_is_not_finite_names_its_assets(name, what, bad):
    values = Case(1).mu.copy()
    values["A4"], values["A2"] = bad, np.nan
    with pytest.raises(
        OptimizationError, match=rf"{what} of A2 \(nan\), A4 \({bad}\) is not a finite number: pass one"
    ):
        failing(**{name: values})


@pytest.mark.parametrize(("name", "what"), [("mu", "expected return"), ("held", "held weight")])
def test_an_input_that_lacks_an_asset_names_it(name, what):
    with pytest.raises(OptimizationError, match=rf"{what} of A3 \(missing\) is not a finite number"):
        failing(**{name: Case(1).mu.drop("A3")})
    with pytest.raises(OptimizationError, match=rf"{what} of A0 \(missing\), .* A4 \(missing\) and 1 more is no"):
        failing(**{name: NOTHING})


def test_a_risk_model_that_lacks_an_asset_names_it():
    risk = Case(1).risk
    with pytest.raises(OptimizationError, match="A3"):
        failing(risk=RiskModel(risk.factors.drop("A3"), risk.specific.drop("A3")))


def test_an_untradable_weight_that_is_nan_is_named():
    with pytest.raises(OptimizationError, match="untradable_weight is nan"):
        failing(untradable_weight=np.nan)


def test_an_input_that_names_an_asset_twice_is_refused():
    mu = Case(1).mu
    with pytest.raises(OptimizationError, match="duplicate entry for A0 in the expected return"):
        failing(mu=pd.concat([mu, mu.iloc[:1]]))


def test_an_asset_named_twice_is_refused():
    with pytest.raises(OptimizationError, match="an asset is named twice among A, A, B"):
        MeanVariance(["A", "B", "A"], NetUtility())


def test_no_asset_at_all_is_refused():
    with pytest.raises(OptimizationError, match="no asset"):
        MeanVariance([], NetUtility()).weights(NOTHING, RiskModel(pd.DataFrame({"f": NOTHING}), NOTHING), NOTHING)


@pytest.mark.parametrize(
    ("objective", "rules"),
    [(lambda s: s.weights, []), (lambda s: s.expected_return, [lambda s: s.cash >= 0])],
    ids=["an objective that is a vector", "a constraint that is not in a list"],
)
def test_a_callable_that_returns_the_wrong_thing_is_an_optimization_error(objective, rules):
    with pytest.raises(OptimizationError, match=r"objective|list"):
        failing(objective, rules)


def test_dust_is_neither_a_position_nor_a_trade():
    """Half a millionth beside what is held is not traded, beside zero not bought; five millionths are."""
    case = Case(3)
    program = MeanVariance(case.assets, NetUtility(5, 0.0))
    risk = RiskModel(case.risk.factors * 0, case.risk.specific * 0 + 1e-4)
    wanted = pd.Series([0.1, 0.2, 5e-7, 5e-6, 0.3, 0.1], index=case.assets)
    held = wanted + np.array([5e-7, -5e-7, -5e-7, 0.0, 5e-6, -5e-6])
    found = program.weights(1e-3 * wanted, risk, held)
    assert found.iloc[:3].tolist() == [held.iloc[0], held.iloc[1], 0.0]
    np.testing.assert_allclose(found.iloc[3:], wanted.iloc[3:], atol=3e-7)
    assert (found.iloc[4:] != held.iloc[4:]).all()


def without_view(n_assets):
    """The program of SentimentPolicy without a view: equal weights are optimal, and the budget's price is zero."""
    case = Case(1, n_assets)
    equal = pd.Series(1 / n_assets, index=case.assets)
    program = MeanVariance(case.assets, NetUtility(5.0, 0.0), (LongOnly(), MaxWeight(0.25)))
    return program.weights(equilibrium_return(case.risk, equal, 5.0), case.risk, equal * 0)


@pytest.mark.parametrize("cost", [2e-4, 2e-3])
def test_at_the_edge_of_the_no_trade_region_nothing_trades(cost):
    """The marginal gain of each trade is its cost: what is held is optimal, and a trade of 1e-4 is solver dust."""
    case = Case(1)
    edge = 10 * case.sigma @ case.held + cost * np.array([1, -1, 1, -1, 1, -1])
    found = MeanVariance(case.assets, NetUtility(5.0, cost)).weights(
        pd.Series(edge, index=case.assets), case.risk, case.held
    )
    assert found.equals(case.held)


@pytest.mark.parametrize("n_assets", [6, 100])
def test_a_budget_that_binds_only_just_is_spent(n_assets):
    assert np.abs(without_view(n_assets) * n_assets - 1).max() < 1e-4


@pytest.mark.parametrize("missing", [("CLARABEL",), ("PIQP",), ("active set",)])
def test_the_other_solvers_keep_the_rules_too(monkeypatch, missing):
    """simulate() would refuse such rows, and a live account borrow or short."""
    for name in missing:
        monkeypatch.setitem(solvers.SOLVERS, name, lambda *_: None)
    for case in (Case(seed, 20) for seed in range(6)):
        found = case.solve()
        assert found.min() >= -1e-6
        assert found.sum() <= 1 - case.locked - case.kept + 1e-6


def test_dust_never_breaks_the_budget():
    """simulate() refuses rows that sum to more than 1 + 1e-6."""
    assets = [f"A{i:02}" for i in range(60)]
    risk = RiskModel(pd.DataFrame(0.0, index=assets, columns=["none"]), pd.Series(1e-4, index=assets))
    program, mu = MeanVariance(assets, NetUtility(5.0, 0.0), (LongOnly(),)), pd.Series(0.01, index=assets)
    optimum = program.weights(mu, risk, mu * 0)
    held = optimum + 9e-7
    held.iloc[-1] = 0.0
    assert held.sum() < 1
    assert program.weights(mu, risk, held).sum() <= 1 + 1e-6

"""Which solver suits which portfolio: the active set, PIQP and Clarabel, each with the risk in three forms.

    OMP_NUM_THREADS=1 python -P benchmarks/optimizer_solvers.py [--assets N ...] [--rounds N]

Long only, fully invested, at most 10 % (5 % of 500) in an asset; and nothing else, a turnover of up to 30 %, a linear
cost of 10 bp, or five groups between 10 and 30 %; with 15 factors, as many as assets, and 252. Milliseconds of
processor time per solve with new numbers, the median of some rounds. PIQP's include the refinement by the active set.

as compiled  a variable for each factor and for each asset's specific risk, as cvxpy writes them
factors      a variable for each factor only
dense        none: one dense quadratic form

Each optimum's residuals are checked, and its distance from Clarabel's weights is printed where it is above 1e-7.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from allocation import (
    Box,
    ExpectedReturn,
    GroupBounds,
    LinearCost,
    MaxTurnover,
    MeanVariance,
    NetExposure,
    RiskModel,
    Variance,
)
from allocation.optimizer.program import Program
from allocation.optimizer.solvers import elimination
from allocation.optimizer.solvers.cascade import EXACT, SOLVERS, SolverForms
from allocation.optimizer.solvers.cone_program import ConeData

N_GROUPS, MOST_SECONDS = 5, 3.0
FORMS = {"as compiled": None, "factors": np.inf, "dense": 0.0}  # the share of factors from which the form is dense


def program_of(kind: str, names: list[str]) -> MeanVariance:
    terms = [ExpectedReturn(), Variance(5.0)]
    rules = [Box(0.0, 0.1 if len(names) < 500 else 0.05), NetExposure(1.0, 1.0)]
    labels = [f"g{i}" for i in range(N_GROUPS)]
    if kind == "turnover":
        rules.append(MaxTurnover(0.3))
    elif kind == "cost":
        terms.append(LinearCost(0.001))
    elif kind == "groups":
        groups = {name: labels[i % N_GROUPS] for i, name in enumerate(names)}
        rules.append(GroupBounds(groups, dict.fromkeys(labels, 0.3), dict.fromkeys(labels, 0.1)))
    return MeanVariance(names, terms, rules)


def numbers(n_assets: int, n_factors: int, kind: str) -> tuple[Program, ConeData]:
    random = np.random.default_rng(0)
    names = [f"A{i:03}" for i in range(n_assets)]
    scale = 0.01 * min(1.0, np.sqrt(15 / n_factors))
    loadings = pd.DataFrame(scale * random.standard_normal((n_assets, n_factors)), index=names)
    risk = RiskModel(loadings, pd.Series(random.uniform(2e-5, 4e-4, n_assets), index=names))
    mu = pd.Series(1e-3 * random.standard_normal(n_assets), index=names)
    held = np.minimum(random.dirichlet(np.ones(n_assets)), 0.1 if n_assets < 500 else 0.05)
    outer = program_of(kind, names)
    values = outer.numbers(mu, risk, pd.Series(held / held.sum(), index=names), 0.0)
    program = outer._program(n_factors)
    return program, program.cone_program.apply(values)


def forms_of(program: Program, share: float | None) -> SolverForms:
    usual = elimination.MANY_FACTORS
    elimination.MANY_FACTORS = usual if share is None else share
    forms = SolverForms(program.cone_program, program.weights_at)
    elimination.MANY_FACTORS = usual
    if share is None:
        forms.elimination = elimination.Elimination(program.cone_program, slice(0, 0))
    return forms


def median_ms(solve: Callable[[], object], rounds: int) -> tuple[float, object]:
    times, found = [], solve()
    while len(times) < rounds and (not times or sum(times) < MOST_SECONDS):
        started = time.process_time()
        found = solve()
        times.append(time.process_time() - started)
    return 1e3 * float(np.median(times)), found


def cell(program: Program, data: ConeData, solver: str, forms: SolverForms, rounds: int, best: np.ndarray) -> str:
    taken, found = median_ms(lambda: SOLVERS[solver](forms, data), rounds)
    if found is None or found.residuals.worst > EXACT:
        return "none"
    distance = float(np.abs(program.weights(found) - best).max())
    return f"{taken:.2f}" + (f" ({distance:.0e})" if distance > 1e-7 else "")


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    found = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines if ":" in line}
    return (
        f"{found.get('model name', 'processor unknown')}, family {found.get('cpu family')}, model {found.get('model')}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Milliseconds of each solver on each kind of portfolio.")
    parser.add_argument("--assets", type=int, nargs="+", default=[20, 100, 500])
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    columns = ["active set", *(f"{solver} {form}" for solver in ("PIQP", "CLARABEL") for form in FORMS)]
    print(f"{processor()}\n\n| assets | factors | rules | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 3)}")
    for n_assets in asked.assets:
        for n_factors in sorted({15, n_assets, 252}):
            for kind in ("none", "turnover", "cost", "groups"):
                program, data = numbers(n_assets, n_factors, kind)
                best = program.weights(SOLVERS["CLARABEL"](program.forms, data))
                cells = [cell(program, data, "active set", program.forms, asked.rounds, best)]
                for solver in ("PIQP", "CLARABEL"):
                    for share in FORMS.values():
                        forms = forms_of(program, share)
                        cells.append(cell(program, data, solver, forms, asked.rounds, best))
                print(f"| {n_assets} | {n_factors} | {kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

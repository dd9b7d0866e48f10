"""sweep(): many settings, in parallel, each logged as a trial; and what the best of them is worth after all those."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from allocation.errors import FrameError
from backtest.result.result import Result
from backtest.statistics.overfitting import Overfitting, overfitting
from backtest.statistics.significance import deflated_sharpe
from backtest.sweeps.ray_backend import made_on_ray
from backtest.sweeps.trials import Setting, Trial, Trials, canonical, key_of

Make = Callable[[Mapping[str, object]], Result]


def grid(axes: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """Return every combination of the values on `axes`, the last axis fastest."""
    if not axes or not all(len(values) for values in axes.values()):
        raise FrameError("a grid needs at least one axis, and a value on each")
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


@dataclass(frozen=True)
class Sweep:
    """What a sweep gave.

    table: one row per setting, its values and then its figures. returns: sessions × settings, the columns numbered
    like the rows of the table. tried: how many settings of this study were ever tried, these included.
    """

    table: pd.DataFrame
    returns: pd.DataFrame
    tried: int

    @property
    def best(self) -> int:
        """Row of the setting with the highest Sharpe ratio."""
        if not self.table["sharpe"].notna().any():
            raise FrameError("no setting has a Sharpe ratio: nothing was traded, or returns do not vary")
        return int(self.table["sharpe"].to_numpy(dtype=np.float64, na_value=-np.inf).argmax())

    @property
    def deflated_sharpe(self) -> float:
        """Probability that the best setting has skill, given how many were tried and how much they differ."""
        return deflated_sharpe(self.returns.iloc[:, self.best], self.tried, trial_spread=self.sharpe_spread)

    @property
    def sharpe_spread(self) -> float | None:
        """Standard deviation of the settings' Sharpe ratios, per session; None where fewer than two have one."""
        ratios = (self.returns.mean() / self.returns.std(ddof=1)).replace([np.inf, -np.inf], np.nan)
        return float(ratios.std(ddof=1)) if ratios.notna().sum() > 1 else None

    @property
    def axes(self) -> list[str]:
        """What the settings set."""
        first_figure = int(self.table.columns.get_indexer(pd.Index(["total_return"]))[0])
        return list(map(str, self.table.columns[:first_figure]))

    def overfitting(self, blocks: int = 10) -> Overfitting:
        """How often the best in sample is no better than the median out of sample; see overfitting()."""
        return overfitting(self.returns, blocks)

    def heat_map(self, rows: str, columns: str, figure: str = "sharpe") -> pd.DataFrame:
        """Return `figure` over two axes, its mean over all others."""
        unknown = [name for name in (rows, columns, figure) if name not in self.table.columns]
        if unknown:
            raise FrameError(f"the sweep has no {unknown[0]!r}: choose of {', '.join(map(str, self.table.columns))}")
        return self.table.pivot_table(index=rows, columns=columns, values=figure, aggfunc="mean")

    def described(self, row: int) -> str:
        """A setting in words: `every 5, tilt 0.1`."""
        return ", ".join(f"{axis} {self.table[axis].iloc[row]}" for axis in self.axes)

    def __str__(self) -> str:
        """The best setting, and what it is worth after all that were tried."""
        sharpe = self.table["sharpe"].iloc[self.best]
        return (
            f"{len(self.table)} settings, {self.tried} tried in all; best: {self.described(self.best)}: "
            f"Sharpe {sharpe:.2f}, "
            f"deflated {self.deflated_sharpe:.0%} sure of skill"
        )


def sweep(
    make: Make,
    settings: Sequence[Setting],
    *,
    study: str,
    log: str | Path,
    workers: int = 1,
    ray: str | None = None,
    progress: bool = False,
) -> Sweep:
    """Call `make` for the Result of each setting and log it; settings that `log` has of this study are read there.

    make: setting -> Result, such as a function that builds a signal and a policy and calls run(). With more than one
    worker it travels to other processes, large arrays in it shared through memory-mapped files; the results are the
    same, to the last bit, since every worker computes on one thread. An interrupted sweep goes on where it stopped.
    ray: the address of a Ray cluster (HOST:6379, or "auto"), whose machines then do the work; see made_on_ray.
    study: see Trials; two sets of data must not share a name.

    Raises:
        FrameError: no setting, a duplicate one, or results over different sessions.
        SourceError: a setting that cannot be written as JSON, `log` is no file of trials, or there is no such cluster.
    """
    if not settings:
        raise FrameError("no setting was given: see grid")
    keys = [key_of(setting) for setting in settings]
    twice = [setting for setting, key in zip(settings, keys, strict=True) if keys.count(key) > 1]
    if twice:
        raise FrameError(f"duplicate entry for the setting {canonical(twice[0])}: keep one")
    trials = Trials(Path(log))
    known = trials.of(study)
    missing = [setting for key, setting in zip(keys, settings, strict=True) if key not in known]
    # Trials come as they are finished, so that an interruption loses only those under way.
    work = partial(_trial, make)
    done: Iterable[Trial]
    if ray is not None and missing:
        done = made_on_ray(work, missing, ray)
    elif workers == 1 or len(missing) < 2:
        done = map(work, missing)
    else:
        from joblib import Parallel, delayed  # type: ignore[import-untyped]  # takes functions defined anywhere

        done = Parallel(n_jobs=workers, return_as="generator_unordered")(delayed(work)(each) for each in missing)
    for trial in tqdm(done, total=len(missing), desc="sweeping", unit="setting", disable=None if progress else True):
        trials.record(study, trial)
        known[key_of(trial.setting)] = trial
    found = [known[key] for key in keys]
    sessions = found[0].returns.index
    for trial in found:
        if not trial.returns.index.equals(sessions):
            raise FrameError(f"{canonical(trial.setting)} covers other sessions than the first: use the same dates")
    # The names in a setting have the order that they are given in: the log sorts them.
    table = pd.DataFrame([{**setting, **trial.figures} for setting, trial in zip(settings, found, strict=True)])
    columns = {number: trial.returns.to_numpy() for number, trial in enumerate(found)}
    return Sweep(table, pd.DataFrame(columns, index=sessions), len(known))


def _trial(make: Make, setting: Setting) -> Trial:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1):  # sums in another order differ in their last bits
        result = make(setting)
    return Trial(dict(setting), result.figures(), result.returns)

"""What all parts of one step share: its inputs, settings, hours, account, and the frames as of its session."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from allocation.data.jumps import find_jumps
from allocation.errors import MissingPriceError
from allocation.execution.book import Rules
from allocation.execution.costs import Costs
from allocation.execution.sizing import Holdings
from allocation.frames import Bars, align, check_prices, check_signal, named
from allocation.live.broker import Account, Broker
from allocation.live.clock import Hours
from allocation.live.errors import GuardStopError
from allocation.live.ledger.database import Ledger
from allocation.live.step.guards import GuardFinding, Limits
from allocation.view import Policy

WATCHED = 60  # sessions in which a step looks for splits; before them, what was allowed once stays allowed
NO_PRICES = "Without any price of the session nothing can be decided: refresh the prices, then repeat"


@dataclass(frozen=True)
class Inputs:
    """What a step is given: adjusted bars and a signal (rows after the session are cut off), and where they are
    from. newest_news: when the newest headline was published (UTC), None where the signal was given as it is.
    strategy, model, config: digests or names; a change since the last decision must be allowed.
    """

    bars: Bars
    signal: pd.DataFrame | None = None
    newest_news: pd.Timestamp | None = None
    strategy: str = ""
    model: str = ""
    config: str = ""


@dataclass(frozen=True)
class Settings:
    """How a step trades and when it stops. due: whether the session is a rebalancing date; where it is not, orders
    of before are followed up and the portfolio is valued, and nothing is decided. costs: what orders are sized with.
    """

    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    calendar: str = "XNYS"
    due: bool = True
    costs: Costs = field(default_factory=Costs)


@dataclass(frozen=True)
class Step:
    """All that the parts of one step share. What is to be reported gathers in notes, in allowed (findings of guards
    that were let through) and in unfilled (orders that did not become what was decided).
    """

    policy: Policy
    inputs: Inputs
    hours: Hours
    ledger: Ledger
    broker: Broker
    settings: Settings
    now: pd.Timestamp
    portfolio: str
    run: int
    notes: list[str] = field(default_factory=list)
    allowed: list[GuardFinding] = field(default_factory=list)
    unfilled: list[str] = field(default_factory=list)

    @property
    def session(self) -> pd.Timestamp:
        """The session that is decided for."""
        return self.hours.session

    @property
    def stamp(self) -> datetime:
        """Now, as the ledger keeps it."""
        return naive_utc(self.now)

    def check(self, findings: Sequence[GuardFinding]) -> None:
        """Stop where a guard's finding was not allowed.

        Raises:
            GuardStopError: it names all that were not.
        """
        held = tuple(finding for finding in findings if finding[0] not in self.settings.limits.allowed)
        if held:
            raise GuardStopError(held)
        self.allowed.extend(finding for finding in findings if finding not in self.allowed)


@dataclass(frozen=True)
class Frames:
    """Frames up to the session: closes, the same filled forward, fill prices (opens where known), signal or None."""

    closes: pd.DataFrame
    marks: pd.DataFrame
    fills: pd.DataFrame
    signal: pd.DataFrame | None
    last_mark: pd.Series

    def opening_marks(self, row: int) -> pd.Series:
        """Value of each asset when a session opens: its fill price, else its last close before."""
        before = self.marks.iloc[row - 1] if row else self.marks.iloc[0] * np.nan
        opening: pd.Series = self.fills.iloc[row].fillna(before)
        return opening


def naive_utc(moment: pd.Timestamp) -> datetime:
    """UTC without a zone, as the ledger keeps it."""
    return moment.tz_convert("UTC").tz_localize(None).to_pydatetime()


def frames_of(step: Step) -> Frames:
    """Cut everything off after the session: the step sees what a backtest shows at that close."""
    closes = check_prices(step.inputs.bars.close).loc[: step.session]
    if not len(closes) or closes.index[-1] != step.session:
        last = f"the last is of {closes.index[-1]:%Y-%m-%d}" if len(closes) else "there is none before it either"
        raise GuardStopError((("stale-prices", f"no prices of {step.session:%Y-%m-%d}: {last}"),), remedy=NO_PRICES)
    recent = Bars(closes.tail(WATCHED), step.inputs.bars.open)
    jumps = [] if "price-jump" in step.settings.limits.allowed else find_jumps(recent)
    jumps = [jump for jump in jumps if jump.asset not in step.settings.limits.real_jumps]
    if jumps:  # before earlier orders are filled at such a price
        raise GuardStopError((("price-jump", f"not adjusted for a split, or in other units: {named(jumps)}"),))
    signal = step.inputs.signal
    if signal is not None:
        closes, signal = align(closes, check_signal(signal).loc[: step.session].reindex(closes.index))
    marks = closes.ffill()
    opens = step.inputs.bars.open
    fills = closes if opens is None else check_prices(opens, "opens").reindex_like(closes).where(marks.notna())
    return Frames(closes, marks, fills, signal, marks.iloc[-1])


def holdings_of(frames: Frames, account: Account) -> Holdings:
    """Return what is held, valued at the last known closes; every asset of the account must have prices."""
    shares = pd.Series(dict(account.shares), dtype=float)
    unpriced = shares.index.difference(frames.closes.columns)
    if len(unpriced):
        raise MissingPriceError(
            f"the account holds {named(unpriced)}, which prices lack: "
            "add prices, sell it by hand, or `newsfolio account rename` or `close` it"
        )
    return Holdings(shares.reindex(frames.closes.columns, fill_value=0.0), frames.last_mark, account.cash)

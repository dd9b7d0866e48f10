"""The decision of one session: guards, the policy's answer, guards again, and then it is written."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.execution.sizing import Holdings, size_orders
from allocation.frames import frame_digest
from allocation.live.broker import Account
from allocation.live.ledger import journal
from allocation.live.ledger.journal import Decision, Provenance
from allocation.live.monitor.log import log_event
from allocation.live.step import guards
from allocation.live.step.context import Frames, Step, holdings_of, naive_utc
from allocation.live.step.guards import GuardContext, GuardFinding, stop_unless_allowed
from allocation.policies.call import call_policy
from allocation.view import View, inputs_digest_of

SKEW = pd.Timedelta(minutes=2)  # between two clocks that both are right


def decide(step: Step, frames: Frames) -> tuple[Decision, list[GuardFinding], list[str]]:
    """Decide, once; return the decision, the guards' findings that were allowed, and what will not be traded."""
    account, limits = step.broker.account(), step.settings.limits
    holdings = holdings_of(frames, account)
    if not holdings.nav > 0.0:
        raise AllocationError(f"the account is worth {holdings.nav:,.2f}: nothing can be invested")
    held = holdings.market_value / holdings.nav
    with step.ledger.transaction() as connection:
        last = journal.last_decision(connection)
    inputs = step.inputs
    context = GuardContext(frames.closes, frames.signal, inputs.newest_news, account, holdings.nav)
    found = [*guards.before_deciding(context, limits), *_of_time(step, last), *_of_the_account(step, account)]
    found += guards.changed(last, inputs.model, inputs.strategy, inputs.config)
    allowed = stop_unless_allowed(found, limits)
    log_event("inputs accepted", {"allowed": [name for name, _ in allowed]})
    targets = call_policy(step.policy, _view(step, frames, held))
    allowed += stop_unless_allowed(list(guards.after_deciding(targets, held, limits)), limits)
    decision = Decision(
        step.session, targets, held, frames.closes.iloc[-1], _provenance(step, frames),
        journal.OPEN if step.broker.simulated else journal.CLOSE, step.stamp,
    )  # fmt: skip
    more, notes = _write(step, frames, decision, holdings)
    log_event("decision written", {"session": f"{step.session:%Y-%m-%d}"})
    return decision, [*allowed, *more], notes


def _write(step: Step, frames: Frames, decision: Decision, holdings: Holdings) -> tuple[list[GuardFinding], list[str]]:
    """Write the decision, and with it, where they must be sent at once, its orders."""
    basket, refused = None, list[GuardFinding]()
    if decision.basket == journal.CLOSE:
        rules, costs, prices = step.settings.rules, step.settings.costs, frames.closes.iloc[-1]
        basket = size_orders(decision.targets, holdings, prices, rules, costs)
        complaints = step.broker.complaints([str(asset) for asset in basket.shares.index])
        findings = [("untradable", f"{asset}: {why}") for asset, why in complaints.items()]
        refused = stop_unless_allowed(findings, step.settings.limits)
        if complaints:
            basket = size_orders(decision.targets, holdings, prices.drop(list(complaints)), rules, costs)
    with step.ledger.transaction() as connection:
        journal.write_decision(connection, decision, step.run)
        if basket is not None:
            journal.write_basket(connection, step.session, basket, step.portfolio, step.stamp)
    untraded: Mapping[str, str] = basket.untraded if basket else {}
    return refused, [f"{asset} is not traded: {why}" for asset, why in untraded.items()]


def _provenance(step: Step, frames: Frames) -> Provenance:
    signal = "" if frames.signal is None else frame_digest(frames.signal)
    more = inputs_digest_of(step.policy, step.session)  # further signals, of a ridge on several
    if more:
        signal = hashlib.sha256(f"{signal}\x1f{more}".encode()).hexdigest()
    inputs = step.inputs
    return Provenance(frame_digest(frames.closes), signal, inputs.strategy, inputs.model, inputs.config)


def _view(step: Step, frames: Frames, held: pd.Series) -> View:
    """The same view as in a backtest: rows side by side in memory, and not to be written to."""
    blank = frames.closes * np.nan if frames.signal is None else frames.signal
    prices, signal = (_frozen(frame) for frame in (frames.closes, blank))
    return View(step.session, prices, signal, held)


def _frozen(frame: pd.DataFrame) -> pd.DataFrame:
    rows = np.array(frame.to_numpy(), order="C")
    rows.flags.writeable = False
    return pd.DataFrame(rows, index=frame.index, columns=frame.columns, copy=False)


def _of_time(step: Step, last: Decision | None) -> list[GuardFinding]:
    found = []
    if step.now < step.hours.close:
        found.append(
            ("clock", f"the session of {step.session:%Y-%m-%d} closes at {step.hours.close:%Y-%m-%d %H:%M} UTC")
        )
    if last is not None and naive_utc(step.now + SKEW) < last.decided:
        found.append(
            ("clock", f"the last decision was made at {last.decided:%Y-%m-%d %H:%M} UTC, which is yet to come")
        )
    theirs = step.broker.clock()
    if theirs is not None and abs(theirs - step.now) > SKEW:
        found.append(("clock", f"the broker's clock says {theirs:%Y-%m-%d %H:%M:%S} UTC, ours {step.now:%H:%M:%S}"))
    if not step.broker.simulated and step.now >= step.hours.next_open:
        found.append(("late", f"{step.hours.next_session:%Y-%m-%d} opened at {step.hours.next_open:%H:%M} UTC"))
    return found


def _of_the_account(step: Step, account: Account) -> list[GuardFinding]:
    with step.ledger.transaction() as connection:
        found = [("working", f"order {client} is working") for client in account.working]
        valuation = journal.last_valuation(connection)
        if valuation is None or step.broker.simulated:
            return found
        expected = journal.shares_since(connection, valuation)
    return [*found, *guards.unreconciled(expected, account)]

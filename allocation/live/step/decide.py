"""The decision of one session: guards, the policy's answer, guards again, and then it is written."""

import hashlib

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.execution.sizing import Holdings, OrderList, size_orders
from allocation.frames import check_prices, frame_digest
from allocation.live.ledger import journal
from allocation.live.ledger.journal import Decision, Provenance
from allocation.live.monitor.log import log_event
from allocation.live.step import guards
from allocation.live.step.context import Frames, Step, holdings_of, naive_utc
from allocation.live.step.guards import GuardContext, GuardFinding
from allocation.live.step.settle import reconciled_account
from allocation.policies.call import call_policy
from allocation.view import View, inputs_digest_of

SKEW = pd.Timedelta(minutes=2)  # between two clocks that both are right


def decide(step: Step, frames: Frames) -> Decision:
    """Decide, once, and write it down."""
    account, limits, inputs = reconciled_account(step), step.settings.limits, step.inputs
    holdings = holdings_of(frames, account)
    if not holdings.nav > 0.0:
        raise AllocationError(f"the account is worth {holdings.nav:,.2f}: nothing can be invested")
    held, closes = holdings.market_value / holdings.nav, frames.closes.iloc[-1]
    with step.ledger.transaction() as connection:
        last = journal.last_decision(connection)
    since = last.session if last else None
    context = GuardContext(frames.closes, frames.signal, inputs.newest_news, account, holdings.nav, since)
    found = [*guards.before_deciding(context, limits), *_of_time(step, last)]
    found += [("working", f"order {client} is working") for client in account.working]
    found += guards.price_differences(closes, account, limits)
    found += guards.changed(last, inputs.model, inputs.strategy, inputs.config)
    step.check(found)
    log_event("inputs accepted", {"allowed": [name for name, _ in step.allowed]})
    targets = call_policy(step.policy, _view(step, frames, held))
    step.check(list(guards.after_deciding(targets, held, limits)))
    decision = Decision(
        session=step.session,
        targets=targets,
        held=held,
        closes=closes,
        provenance=_provenance(step, frames),
        basket=journal.OPEN if step.broker.simulated else journal.CLOSE,
        decided=step.stamp,
    )
    basket = None if step.broker.simulated else _basket(step, decision, holdings)
    with step.ledger.transaction() as connection:
        journal.write_decision(connection, decision, step.run)
        if basket is not None:
            journal.write_basket(connection, step.session, basket, step.portfolio, step.stamp)
    step.notes.extend(f"{asset} is not traded: {why}" for asset, why in (basket.untraded if basket else {}).items())
    log_event("decision written", {"session": f"{step.session:%Y-%m-%d}"})
    return decision


def _basket(step: Step, decision: Decision, holdings: Holdings) -> OrderList:
    """The orders that are sent at once, sized with the closes, of what the broker trades."""
    targets, prices, settings = decision.targets, decision.closes, step.settings
    trading = targets.index[targets.notna() & prices.notna() & ((targets != 0.0) | (holdings.shares != 0.0))]
    terms = step.broker.terms([str(asset) for asset in trading])
    findings = list(guards.untradable(targets, terms, settings.rules.lot))
    step.check(findings)
    refused = [reason.partition(":")[0] for _, reason in findings]
    return size_orders(targets, holdings, prices.drop(refused), settings.rules, settings.costs)


def _provenance(step: Step, frames: Frames) -> Provenance:
    signal = "" if frames.signal is None else frame_digest(frames.signal)
    more = inputs_digest_of(step.policy, step.session)  # further signals, of a ridge on several
    if more:
        signal = hashlib.sha256(f"{signal}\x1f{more}".encode()).hexdigest()
    inputs = step.inputs
    return Provenance(frame_digest(frames.closes), signal, inputs.strategy, inputs.model, inputs.config)


def _view(step: Step, frames: Frames, held: pd.Series) -> View:
    """The same view as in a backtest: rows side by side in memory; all of it copies, which no record is made of."""
    blank = frames.closes * np.nan if frames.signal is None else frames.signal
    prices, signal = (_frozen(frame) for frame in (frames.closes, blank))
    bars = step.inputs.bars
    opens, highs, lows = (
        None if each is None else _frozen(check_prices(each, name).reindex_like(prices))
        for name, each in (("opens", bars.open), ("highs", bars.high), ("lows", bars.low))
    )
    return View(step.session, prices, signal, held.copy(deep=True), opens=opens, highs=highs, lows=lows)


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

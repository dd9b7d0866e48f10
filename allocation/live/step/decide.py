"""The decision of one session: guards, the policy's answer, guards again, and then it is written."""

import hashlib
from dataclasses import fields

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.execution.sizing import Holdings, OrderList, size_orders
from allocation.frames import check_prices, frame_digest
from allocation.live.broker import Account
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


def decide(step: Step, frames: Frames, made: Decision | None = None) -> tuple[Decision, OrderList | None]:
    """Decide, once, and write it down; return also the orders, where they are sent at once.

    made: what was decided for the session already. Then, in a dry run, nothing is written; what is late or at work for
    that decision, or has changed since it, does not stop this one.
    """
    account = reconciled_account(step)
    holdings = holdings_of(frames, account)
    if not holdings.nav > 0.0:
        raise AllocationError(f"the account is worth {holdings.nav:,.2f}: nothing can be invested")
    step.check(_findings(step, frames, account, holdings.nav, made))
    log_event("inputs accepted", {"allowed": [name for name, _ in step.allowed]})
    held = holdings.market_value / holdings.nav
    targets = call_policy(step.policy, _view(step, frames, held))
    step.check(list(guards.after_deciding(targets, held, step.settings.limits)))
    decision = Decision(
        session=step.session,
        targets=targets,
        held=held,
        closes=frames.closes.iloc[-1],
        provenance=_provenance(step, frames),
        basket=journal.OPEN if step.broker.simulated else journal.CLOSE,
        decided=step.stamp,
    )
    basket = None if step.broker.simulated else order_list(step, decision, holdings)
    if made is not None:
        return decision, basket
    with step.ledger.transaction() as connection:
        journal.write_decision(connection, decision, step.run)
        if basket is not None:
            journal.write_basket(connection, step.session, basket, step.portfolio, step.stamp)
    step.notes.extend(f"{asset} is not traded: {why}" for asset, why in (basket.untraded if basket else {}).items())
    log_event("decision written", {"session": f"{step.session:%Y-%m-%d}"})
    return decision, basket


def order_list(step: Step, decision: Decision, holdings: Holdings) -> OrderList:
    """Size the orders with the closes: those that a broker gets at once, of what it trades, or an estimate on paper."""
    targets, prices, settings = decision.targets, decision.closes, step.settings
    trading = targets.index[targets.notna() & prices.notna() & ((targets != 0.0) | (holdings.shares != 0.0))]
    terms = step.broker.terms([str(asset) for asset in trading])
    findings = list(guards.untradable(targets, terms, settings.rules.lot))
    step.check(findings)
    refused = [reason.partition(":")[0] for _, reason in findings]
    return size_orders(targets, holdings, prices.drop(refused), settings.rules, settings.costs)


def differences(made: Decision, now: Decision) -> tuple[str, ...]:
    """Say how a decision differs from the one that was made for its session: what it follows from, and its targets."""
    followed = [
        f"{field.name} {'is' if field.name != 'prices' else 'are'} not what the decision was made of"
        for field in fields(Provenance)
        if getattr(made.provenance, field.name) != getattr(now.provenance, field.name)
    ]
    both = pd.DataFrame({"then": made.targets, "now": now.targets})
    changed = both[(both["then"] != both["now"]) & both.notna().any(axis=1)]
    said = changed.map(lambda weight: "hold" if pd.isna(weight) else f"{weight:.2%}")
    return (*followed, *(f"{asset}: {row.then} was decided, {row.now} now" for asset, row in said.iterrows()))


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


def _findings(step: Step, frames: Frames, account: Account, nav: float, made: Decision | None) -> list[GuardFinding]:
    """What guards find before the policy is asked: data, account, clocks, and what has changed since last time."""
    limits, inputs, hours = step.settings.limits, step.inputs, step.hours
    with step.ledger.transaction() as connection:
        last = journal.last_decision(connection, before=step.session)
        ours = {order.client_id for order in journal.read_basket(connection, step.session) or []}
    context = GuardContext(
        frames.closes, frames.signal, inputs.newest_news, account, nav, since=last.session if last else None
    )
    found = list(guards.before_deciding(context, limits))
    if step.now < hours.close:
        found.append(("clock", f"the session of {step.session:%Y-%m-%d} closes at {hours.close:%Y-%m-%d %H:%M} UTC"))
    if last is not None and naive_utc(step.now + SKEW) < last.decided:
        decided = f"{last.decided:%Y-%m-%d %H:%M} UTC"
        found.append(("clock", f"the last decision was made at {decided}, which is yet to come"))
    theirs = step.broker.clock()
    if theirs is not None and abs(theirs - step.now) > SKEW:
        found.append(
            ("clock", f"the broker's clock says {theirs:%Y-%m-%d %H:%M:%S} UTC, ours {step.now:%Y-%m-%d %H:%M:%S}")
        )
    if made is None and not step.broker.simulated and step.now >= hours.next_open:
        found.append(("late", f"{hours.next_session:%Y-%m-%d} opened at {hours.next_open:%H:%M} UTC"))
    found += [("working", f"order {client} is working") for client in account.working if client not in ours]
    found += guards.price_differences(frames.closes.iloc[-1], account, limits)
    return found if made else found + list(guards.changed(last, inputs.model, inputs.strategy, inputs.config))

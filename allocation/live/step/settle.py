"""What is left from before: on paper, fill the last decision at the open that followed; else ask the broker."""

import numpy as np
import pandas as pd

from allocation.execution.sizing import Holdings, Order, size_orders
from allocation.frames import named
from allocation.live.broker import Account, OrderState
from allocation.live.brokers.paper import PaperBroker, corrected_prices
from allocation.live.errors import BrokerError, GuardStopError, NoAnswerError
from allocation.live.ledger import events, journal
from allocation.live.ledger.events import AccountEvent
from allocation.live.ledger.journal import Decision
from allocation.live.monitor.log import log_event
from allocation.live.step import guards
from allocation.live.step.context import Frames, Step
from allocation.live.step.submit import MOST_UNANSWERED, record

NEAR = 1.5  # a correction is smaller than this factor, so that one of the two factors is near the split's ratio
SPLIT_REMEDY = (
    "Look up whether it was split since the last step, then repeat with --split TICKER=RATIO: 2 where one share became "
    "two, 1 where it was not split"
)


def catch_up(step: Step, frames: Frames) -> None:
    """Bring every earlier order to where it is now; on paper, fill the last decision at the open that followed."""
    if isinstance(step.broker, PaperBroker):
        _fill_on_paper(step, frames, step.broker)
    else:
        poll(step)
    log_event("caught up", {"session": f"{step.session:%Y-%m-%d}"})


def _fill_on_paper(step: Step, frames: Frames, broker: PaperBroker) -> None:
    """Follow splits and dividends, then fill what was decided last at the open of the session after it."""
    ratios = _corrected(step, frames, broker)
    factor = broker.mark(frames.closes, ratios, step.stamp)
    step.notes.extend(
        f"shares of {asset} × {by:.6g}: "
        + ("as was stated" if asset in ratios else "a split or dividend rewrote its prices")
        for asset, by in factor.items()
    )
    with step.ledger.transaction() as connection:
        last = journal.last_decision(connection)
    if last is None or last.session >= step.session:
        return
    row = int(frames.closes.index.searchsorted(last.session, side="right"))
    orders = _sized_at_open(step, frames, last, row)
    with step.ledger.transaction() as connection:
        for order in orders:
            journal.write_state(connection, broker.submit(order), step.stamp)
    for order, state in broker.open_session(frames.fills.iloc[row], frames.closes, step.stamp):
        record(step, order, state)
    if orders:
        filled = {"session": f"{frames.closes.index[row]:%Y-%m-%d}", "orders": len(orders)}
        log_event("orders filled on paper", filled)


def _corrected(step: Step, frames: Frames, broker: PaperBroker) -> dict[str, float]:
    """By asset whose past prices were corrected: 1 where one of them stayed as it was, else the split that was stated.

    Raises:
        GuardStopError: a correction was not allowed, or may hide a split that nobody stated.
    """
    corrected, stated = corrected_prices(broker.book(), frames.closes), step.settings.limits.splits
    ratios, hiding = dict[str, float](), []
    for asset, last, earlier in corrected.loc[corrected["unclear"], ["factor", "earlier"]].itertuples():
        ratios[asset] = stated.get(asset, np.nan)
        if not any(1.0 / NEAR <= ratios[asset] / factor <= NEAR for factor in (last, earlier)):  # NaN is near nothing
            but = f", not by {ratios[asset]:g}" if asset in stated else ""
            hiding.append(f"{asset} (divided by {last:.6g}, the session before by {earlier:.6g}{but})")
    if hiding:
        reason = f"past prices of {named(hiding)}: a correction that may hide a split"
        raise GuardStopError((("revised-prices", reason),), SPLIT_REMEDY)
    only_corrected = [str(asset) for asset in corrected.index[~corrected["unclear"]]]
    if only_corrected:
        step.check([("revised-prices", f"past prices of {named(only_corrected)}")])
        step.notes.append(f"shares of {named(only_corrected)} stay as they are: past prices were corrected")
    unused = sorted(set(stated) - set(ratios))
    if unused:
        step.notes.append(f"the split of {named(unused)} that was stated was not used: no correction hides it")
    return ratios | dict.fromkeys(only_corrected, 1.0)


def _sized_at_open(step: Step, frames: Frames, last: Decision, row: int) -> list[Order]:
    with step.ledger.transaction() as connection:
        known = journal.read_basket(connection, last.session)
        names = events.renamed_since(connection, last.decided)
    if known is not None:
        return known
    step.check(list(guards.open_jumps(frames.marks, frames.fills, row, step.settings.limits)))
    account = step.broker.account()
    targets = last.targets.groupby(last.targets.index.map(lambda asset: names.get(asset, asset))).sum(min_count=1)
    held = pd.Series(dict(account.shares), dtype=float)
    targets = targets.reindex(targets.index.union(held.index))  # what was not decided on is held
    shares = held.reindex(targets.index, fill_value=0.0)
    holdings = Holdings(shares, frames.opening_marks(row), account.cash)
    basket = size_orders(targets, holdings, frames.fills.iloc[row], step.settings.rules, step.settings.costs)
    with step.ledger.transaction() as connection:
        orders = journal.write_basket(connection, last.session, basket, step.portfolio, step.stamp)
    log_event("basket written", {"session": f"{last.session:%Y-%m-%d}", "orders": len(orders)})
    step.notes.extend(f"{asset} was not traded: {why}" for asset, why in basket.untraded.items())
    return orders


def poll(step: Step) -> None:
    """Ask the broker about every order that has not ended; one of an earlier decision that was never sent is over."""
    with step.ledger.transaction() as connection:
        open_orders = journal.unended_orders(connection)
        current = {order.client_id for order in journal.read_basket(connection, step.session) or []}
    unanswered = 0
    for order in open_orders:
        try:
            state = step.broker.state(order.client_id)
        except BrokerError as error:
            unanswered += isinstance(error, NoAnswerError)
            if unanswered == MOST_UNANSWERED:
                raise
            step.unfilled.append(f"{order.asset}: its state is not known: {error}")
            continue
        if state is None and order.client_id not in current:
            state = OrderState(order.client_id, "expired", reason="never sent: the next session's decision came first")
        if state is not None:
            record(step, order, state)


def reconciled_account(step: Step) -> Account:
    """Return the account; its shares are the sum of the ledger's events, or somebody allowed that they are not.

    Orders may fill between the question about them and that about the account: both are asked again then. If it is
    allowed, the broker counts, and the difference becomes an event.
    """
    account = step.broker.account()
    if step.broker.simulated:
        return account
    findings = list(guards.unreconciled(_expected(step), account))
    if findings:
        poll(step)
        account = step.broker.account()
        findings = list(guards.unreconciled(_expected(step), account))
    if findings:
        step.check(findings)
        stated = pd.Series(dict(account.shares), dtype=float)
        change = stated.sub(_expected(step), fill_value=0.0)
        adopted = [
            AccountEvent(events.ADOPT, str(asset), float(by), reason="[reconcile] was allowed")
            for asset, by in change.items() if by
        ]  # fmt: skip
        with step.ledger.transaction() as connection:
            events.write_events(connection, adopted, step.stamp)
    return account


def _expected(step: Step) -> pd.Series:
    with step.ledger.transaction() as connection:
        return events.event_holdings(connection)[1]

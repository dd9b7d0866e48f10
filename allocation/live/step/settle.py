"""What is left from before: on paper, fill the last decision at the open that followed; else ask the broker."""

import pandas as pd

from allocation.execution.sizing import Holdings, Order, size_orders
from allocation.frames import named
from allocation.live.broker import OrderState
from allocation.live.brokers.paper import PaperBroker, corrected_prices
from allocation.live.ledger import journal
from allocation.live.ledger.journal import Decision
from allocation.live.monitor.log import log_event
from allocation.live.step.context import Frames, Step
from allocation.live.step.guards import stop_unless_allowed
from allocation.live.step.submit import record


def catch_up(step: Step, frames: Frames) -> list[str]:
    """Bring every earlier order to where it is now; on paper, fill the last decision at the open that followed."""
    notes = _settle_paper(step, frames, step.broker) if isinstance(step.broker, PaperBroker) else _poll(step)
    log_event("caught up", {"session": f"{step.session:%Y-%m-%d}"})
    return notes


def _settle_paper(step: Step, frames: Frames, broker: PaperBroker) -> list[str]:
    notes = _follow_revisions(step, frames, broker)
    with step.ledger.transaction() as connection:
        last = journal.last_decision(connection)
    if last is None or last.session >= step.session:
        return notes
    row = int(frames.closes.index.searchsorted(last.session, side="right"))
    orders, more = _sized_at_open(step, frames, last, row)
    accepted = [broker.submit(order) for order in orders]
    with step.ledger.transaction() as connection:  # one for all: each waits for the disk
        for state in accepted:
            journal.write_state(connection, state, step.stamp)
    filled = broker.open_session(frames.fills.iloc[row], frames.closes, step.stamp)
    if filled:
        log_event("orders filled on paper", {"session": f"{frames.closes.index[row]:%Y-%m-%d}", "orders": filled})
    return [*notes, *more]


def _follow_revisions(step: Step, frames: Frames, broker: PaperBroker) -> list[str]:
    corrected = corrected_prices(broker.book(), frames.closes)
    if corrected:
        stop_unless_allowed([("revised-prices", f"past prices of {named(corrected)}")], step.settings.limits)
    factor = broker.mark(frames.closes, corrected)
    return [f"shares of {asset} × {by:.6g}: a split or dividend rewrote its prices" for asset, by in factor.items()]


def _sized_at_open(step: Step, frames: Frames, last: Decision, row: int) -> tuple[list[Order], list[str]]:
    with step.ledger.transaction() as connection:
        known = journal.read_basket(connection, last.session)
    if known is not None:
        return known, []
    account = step.broker.account()
    shares = pd.Series(dict(account.shares), dtype=float).reindex(last.targets.index, fill_value=0.0)
    holdings = Holdings(shares, frames.opening_marks(row), account.cash)
    basket = size_orders(last.targets, holdings, frames.fills.iloc[row], step.settings.rules, step.settings.costs)
    with step.ledger.transaction() as connection:
        orders = journal.write_basket(connection, last.session, basket, step.portfolio, step.stamp)
    log_event("basket written", {"session": f"{last.session:%Y-%m-%d}", "orders": len(orders)})
    return orders, [f"{asset} was not traded: {why}" for asset, why in basket.untraded.items()]


def _poll(step: Step) -> list[str]:
    """Ask the broker about every order that has not ended; one of an earlier decision that was never sent is over."""
    with step.ledger.transaction() as connection:
        open_orders = journal.unended_orders(connection)
        current = {order.client_id for order in journal.read_basket(connection, step.session) or []}
    notes = []
    for order in open_orders:
        state = step.broker.state(order.client_id)
        if state is None and order.client_id not in current:
            state = OrderState(order.client_id, "expired", reason="never sent: the next session's decision came first")
            notes.append(f"the order for {order.asset} was never sent and is over")
        if state is not None:
            record(step, state)
    return notes

"""Send what has not been sent, and write down what becomes of it; each order stands alone."""

from allocation.execution.sizing import Order
from allocation.live.broker import OrderState
from allocation.live.errors import BrokerError, NoAnswerError
from allocation.live.ledger import journal
from allocation.live.ledger.journal import Decision
from allocation.live.monitor.log import log_event
from allocation.live.step import guards
from allocation.live.step.context import Step

SLACK = 1e-9  # of an order's value: orders that were sized to take all cash miss it by the last bits of a double
MOST_UNANSWERED = 2  # requests in a row, each of which was repeated: then the broker is not there

Sent = list[tuple[Order, OrderState | None]]


def send(step: Step, decision: Decision) -> Sent:
    """Send what has not been sent; buys only as far as there is money for them: buying power as the broker states it,
    and no more than the cash with what the sells that it took will bring. A sell that is refused makes no debt.

    What is left of an order that the broker says is dead is sent under a new name, never that of one which may live.
    An order that is refused, or cannot be sent, is reported and keeps no other from being sent.
    """
    orders = _orders(step)
    latest = {order.asset: (order, state) for order, state in orders}
    waiting = [
        (order, state) for order, state in latest.values() if state is None or (state.ended and _is_short(order, state))
    ]
    if step.ledger.dry or step.broker.simulated or not waiting:
        return orders
    account = step.broker.account()
    if step.now >= step.hours.next_open:
        late = f"{step.hours.next_session:%Y-%m-%d}, for which the orders were sized, opened at"
        found = [("late", f"{late} {step.hours.next_open:%H:%M} UTC")]
        step.check([*found, *guards.price_differences(decision.closes, account, step.settings.limits)])
    power, cash, unanswered = account.buying_power, account.cash, 0
    for order, state in latest.values():
        if state is not None and not state.ended:
            cash -= (order.shares - state.filled) * order.price
    for order, state in waiting:
        if state is not None:
            with step.ledger.transaction() as connection:
                order = journal.write_retry(connection, step.session, order, order.shares - state.filled)
        needed = order.value + order.cost(step.settings.costs)
        if order.shares > 0 and needed > min(power, cash + SLACK * order.value):
            continue
        taken = order.shares > 0  # as long as nothing is known, a buy may cost, and a sell brings nothing
        try:
            sent = step.broker.submit(order)
            record(step, order, sent)
            taken, unanswered = not sent.ended or sent.filled != 0.0, 0
        except BrokerError as error:
            step.unfilled.append(f"{order.asset}: not sent: {error}")
            unanswered += isinstance(error, NoAnswerError)
            if unanswered == MOST_UNANSWERED:
                break
        power -= order.value if order.shares > 0 else 0.0
        cash -= order.shares * order.price if taken else 0.0
    return _orders(step)


def _orders(step: Step) -> Sent:
    with step.ledger.transaction() as connection:
        orders = journal.read_basket(connection, step.session) or []
        return [(order, journal.read_state(connection, order.client_id)) for order in orders]


def _is_short(order: Order, state: OrderState) -> bool:
    return abs(order.shares - state.filled) > 1e-9 * abs(order.shares)


def record(step: Step, order: Order, state: OrderState) -> None:
    """Write down what is new about an order; one that ended short of what was decided makes the step no success."""
    with step.ledger.transaction() as connection:
        new = journal.write_state(connection, state, step.stamp)
    if not new:
        return
    log_event("order", {"client_id": state.client_id, "status": state.status, "reason": state.reason})
    if state.ended and _is_short(order, state):
        reason = f": {state.reason}" if state.reason else ""
        filled = f"{abs(state.filled):g} of {abs(order.shares):g} shares"
        step.unfilled.append(f"{order.asset}: {state.status}, {filled}{reason}")

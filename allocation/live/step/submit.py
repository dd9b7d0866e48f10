"""Send what has not been sent, and write down what becomes of it."""

from allocation.execution.sizing import Order
from allocation.live.broker import OrderState
from allocation.live.ledger import journal
from allocation.live.monitor.log import log_event
from allocation.live.step.context import Step


def send(step: Step) -> list[tuple[Order, OrderState | None]]:
    """Send what has not been sent; buys only as far as the broker says that there is money for them."""
    with step.ledger.transaction() as connection:
        orders = journal.read_basket(connection, step.session) or []
    if step.ledger.dry:
        return [(order, None) for order in orders]
    power = step.broker.account().buying_power if orders else 0.0
    sent: list[tuple[Order, OrderState | None]] = []
    for order in orders:
        with step.ledger.transaction() as connection:
            state = journal.read_state(connection, order.client_id)
        if state is None and (order.shares < 0 or order.value + order.cost(step.settings.costs) <= power):
            state = submit(step, order)
            power -= order.value if order.shares > 0 else 0.0
        sent.append((order, state))
    return sent


def submit(step: Step, order: Order) -> OrderState:
    """Send one order, and write down the broker's answer."""
    state = step.broker.submit(order)
    record(step, state)
    return state


def record(step: Step, state: OrderState) -> None:
    """Write down what is new about an order."""
    with step.ledger.transaction() as connection:
        new = journal.write_state(connection, state, step.stamp)
    if new:
        log_event("order", {"client_id": state.client_id, "status": state.status, "reason": state.reason})

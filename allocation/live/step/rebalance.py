"""rebalance(): one scheduled step, safe to repeat; the same policy that was backtested decides today's orders.

Everything that must not happen twice is first written down under a key that can exist only once: a decision under
its session, an order under its client id. A step that was killed anywhere goes on from what it finds written.
"""

from contextlib import nullcontext
from dataclasses import replace

import pandas as pd

from allocation.errors import AllocationError
from allocation.execution.sizing import Holdings, Order
from allocation.live import clock
from allocation.live.broker import Broker
from allocation.live.errors import GuardStopError, UnfilledOrdersError
from allocation.live.ledger import journal
from allocation.live.ledger.database import Ledger
from allocation.live.ledger.journal import Valuation
from allocation.live.monitor.failures import reason_of
from allocation.live.monitor.log import log_event
from allocation.live.step.context import Frames, Inputs, Settings, Step, frames_of, holdings_of, naive_utc
from allocation.live.step.decide import decide, differences, order_list
from allocation.live.step.report import StepReport, Trade
from allocation.live.step.settle import catch_up
from allocation.live.step.submit import send
from allocation.view import Policy


def rebalance(
    policy: Policy,
    inputs: Inputs,
    session: pd.Timestamp,
    ledger: Ledger,
    broker: Broker,
    settings: Settings | None = None,
    *,
    now: pd.Timestamp | None = None,
) -> StepReport:
    """Do all that is still to do for the close of `session`: settle, decide once, send, reconcile, value.

    The decision is written before any order is sent, and an order that was sent is not sent again: repeating a
    step, whatever became of it before, gives one decision and one set of orders; a dry run decides anew and says how
    that differs. On paper the orders of a session
    are sized and filled at the next session's open, by the step that knows it, as in a backtest; a real broker
    gets them at once, sized with the closes. now: the time (UTC), by default the clock's.

    Raises:
        GuardStopError: a guard holds the step; nothing was decided or sent.
        PolicyError: the policy's answer is no row of weights. AllocationError: anything else that was wrong.
    """
    now = clock.utc_now() if now is None else now
    settings = settings or Settings()
    with ledger.transaction() as connection:
        portfolio = journal.portfolio_name(connection, broker.name)
        journal.refuse_to_go_back(connection, session)
        run = journal.start_run(connection, session, naive_utc(now))
    log_event(
        "run started", {"run": run, "session": f"{session:%Y-%m-%d}", "ledger": ledger.where, "broker": broker.name}
    )
    hours = clock.hours_of(session, settings.calendar)
    step = Step(policy, inputs, hours, ledger, broker, settings, now, portfolio, run)
    outcome, reason = "failed", "interrupted"
    try:
        # On paper a step happens whole or not at all: one that stops has not moved the account to its session.
        with ledger.transaction() if broker.simulated else nullcontext():
            report = _run(step)
        outcome, reason = "done", ""
        if report.unfilled:
            outcome, reason = "unfilled", reason_of(UnfilledOrdersError(report.unfilled))
    except GuardStopError as stop:
        outcome, reason = "stopped", reason_of(stop)
        raise
    except Exception as error:
        reason = reason_of(error)
        raise
    finally:
        with ledger.transaction() as connection:
            journal.finish_run(connection, run, outcome, reason or None, naive_utc(clock.utc_now()))
        log_event(f"run {outcome}", {"run": run} | ({"reason": reason} if reason else {}))
    return report


def _run(step: Step) -> StepReport:
    frames = frames_of(step)
    catch_up(step, frames)
    with step.ledger.transaction() as connection:
        made = journal.read_decision(connection, step.session)
    decided = ("again" if step.ledger.dry else "before") if made else "now" if step.settings.due else "no"
    decision, basket = decide(step, frames, made) if decided in ("again", "now") else (made, None)
    orders = send(step, decision) if decision else []
    valuation, holdings, when = _value(step, frames)
    if decision and step.broker.simulated:  # an estimate, which stops nothing: they are sized at the next open
        try:
            basket = order_list(step, decision, holdings)
        except AllocationError as error:
            step.notes.append(f"the trades at the open cannot be estimated: {error}")
    if basket is not None:
        rows = pd.DataFrame({"shares": basket.shares, "price": basket.prices}).loc[basket.shares.index]
        sized = [Order("", str(asset), shares, price) for asset, shares, price in rows.itertuples()]
    else:
        sized = [order for order, _ in orders]
    return StepReport(
        session=step.session,
        next_session=step.hours.next_session,
        decided=decided,
        targets=decision.targets if decision else None,
        weights=valuation.shares * valuation.closes / valuation.nav,
        nav=valuation.nav,
        cash=valuation.cash,
        valued=when,
        orders=tuple(orders),
        trades=tuple(Trade.of(order, step.settings.costs) for order in sized),
        changes=differences(made, decision) if decided == "again" and made and decision else (),
        allowed=tuple(step.allowed),
        notes=tuple(step.notes),
        unfilled=tuple(step.unfilled),
        dry_run=step.ledger.dry,
    )


def _value(step: Step, frames: Frames) -> tuple[Valuation, Holdings, str]:
    """Value the account, and say when. Once the next session has opened, orders have filled at other prices than the
    session's closes: then the session's valuation stays as it is, and what is reported is worth what the broker says.
    """
    account = step.broker.account()
    late = not step.broker.simulated and step.now >= step.hours.next_open
    stated = pd.Series(dict(account.prices) if late else {}, dtype=float)
    marks = stated.reindex(frames.last_mark.index).fillna(frames.last_mark)
    holdings = holdings_of(replace(frames, last_mark=marks), account)
    shares = holdings.shares[holdings.shares != 0.0]
    valuation = Valuation(step.session, shares, marks[shares.index], account.cash, holdings.nav)
    if late:
        return valuation, holdings, f"{step.now:%Y-%m-%d %H:%M} UTC"
    with step.ledger.transaction() as connection:
        journal.write_valuation(connection, valuation, step.stamp)
    log_event("valued", {"nav": round(valuation.nav, 2), "cash": round(valuation.cash, 2)})
    return valuation, holdings, f"the close of {step.session:%Y-%m-%d}"

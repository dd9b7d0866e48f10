"""rebalance(): one scheduled step, safe to repeat; the same policy that was backtested decides today's orders.

Everything that must not happen twice is first written down under a key that can exist only once: a decision under
its session, an order under its client id. A step that was killed anywhere goes on from what it finds written.
"""

import pandas as pd

from allocation.live import clock
from allocation.live.broker import Account, Broker
from allocation.live.errors import GuardStopError
from allocation.live.ledger import journal
from allocation.live.ledger.database import Ledger
from allocation.live.ledger.journal import Valuation
from allocation.live.monitor.failures import reason_of
from allocation.live.monitor.log import log_event
from allocation.live.step.context import Frames, Inputs, Settings, Step, frames_of, holdings_of, naive_utc
from allocation.live.step.decide import decide
from allocation.live.step.guards import GuardFinding
from allocation.live.step.report import StepReport
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
    step, whatever became of it before, gives one decision and one set of orders. On paper the orders of a session
    are sized and filled at the next session's open, by the step that knows it, as in a backtest; a real broker
    gets them at once, sized with the closes. now: the time (UTC), by default the clock's.

    Raises:
        GuardStopError: a guard holds the step; nothing was decided or sent.
        PolicyError: the policy's answer is no row of weights. AllocationError: anything else that was wrong.
    """
    now = clock.utc_now() if now is None else now
    settings = settings or Settings()
    with ledger.transaction() as connection:
        portfolio = journal.portfolio_name(connection, broker.name, naive_utc(now))
        journal.refuse_to_go_back(connection, session)
        run = journal.start_run(connection, session, naive_utc(now))
    log_event(
        "run started", {"run": run, "session": f"{session:%Y-%m-%d}", "ledger": ledger.where, "broker": broker.name}
    )
    step = Step(
        policy, inputs, clock.hours_of(session, settings.calendar), ledger, broker, settings, now, portfolio, run
    )
    outcome, reason = "failed", "interrupted"
    try:
        report = _run(step)
        outcome, reason = "done", ""
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
    notes = catch_up(step, frames)
    with step.ledger.transaction() as connection:
        decision = journal.read_decision(connection, step.session)
    decided, allowed = "before" if decision else "no", list[GuardFinding]()
    if decision is None and step.settings.due:
        decision, allowed, more = decide(step, frames)
        decided, notes = "now", [*notes, *more]
    orders = send(step) if decision else []
    account = step.broker.account()
    valuation = _value(step, frames, account)
    weights = valuation.shares * valuation.closes / valuation.nav
    return StepReport(
        step.session, step.hours.next_session, decided, decision.targets if decision else None, weights,
        valuation.nav, valuation.cash, tuple(orders), tuple(allowed), tuple(notes), step.ledger.dry,
    )  # fmt: skip


def _value(step: Step, frames: Frames, account: Account) -> Valuation:
    holdings = holdings_of(frames, account)
    shares = holdings.shares[holdings.shares != 0.0]
    valuation = Valuation(step.session, shares, frames.last_mark[shares.index], account.cash, holdings.nav)
    with step.ledger.transaction() as connection:
        journal.write_valuation(connection, valuation, step.stamp)
    log_event("valued", {"nav": round(valuation.nav, 2), "cash": round(valuation.cash, 2)})
    return valuation

"""A run that does not get to its end: recorded in the ledger and reported to the monitor and the user's hook."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import typer

from allocation.errors import AllocationError
from allocation.live import clock
from allocation.live.errors import GuardStopError, LedgerError, UnfilledOrdersError
from allocation.live.ledger import journal
from allocation.live.ledger.database import Ledger, open_ledger, read_ledger
from allocation.live.monitor.log import log_event, redacted
from allocation.live.monitor.notify import notify, printable_line
from allocation.live.monitor.prometheus import write_failure, write_metrics

log = logging.getLogger(__name__)

STOPPED = 3  # exit code: a guard holds the step, or orders did not fill


def reason_of(error: Exception) -> str:
    """Return an error as a ledger, a monitor and a person may read it: no secret, and its type where it is not ours."""
    return redacted(str(error) if isinstance(error, AllocationError) else f"{type(error).__name__}: {error}")


@contextmanager
def report_failure(hook: str | None, metrics: Path | None = None) -> Iterator[None]:
    """Report why what is inside failed to the file of metrics and the hook; of a stop or unfilled orders exit code 3.

    The file says so even where no ledger could be opened. Neither can hide the failure by failing itself.
    """
    began = clock.utc_now()
    try:
        yield
    except Exception as error:
        reason = printable_line(reason_of(error))
        held = isinstance(error, (GuardStopError, UnfilledOrdersError))
        if metrics is not None:
            _if_it_can_be(lambda: write_failure(metrics, began))
        if hook is not None:
            notify(hook, reason, STOPPED if held else 2 if isinstance(error, typer.BadParameter) else 1)
        if held:
            typer.echo(reason, err=True)
            raise typer.Exit(STOPPED) from None
        if redacted(str(error)) != str(error):
            raise AllocationError(reason) from None
        raise


@contextmanager
def record_failure(ledger: str, session: pd.Timestamp, wait: float) -> Iterator[None]:
    """Write into the ledger, where there is one, why a run failed before its step could begin."""
    try:
        yield
    except Exception as error:
        now = clock.utc_now().tz_localize(None).to_pydatetime()
        try:
            with read_ledger(ledger):
                pass  # a step has made it: a failure alone makes none
            with open_ledger(ledger, wait=wait) as opened, opened.transaction() as connection:
                run = journal.start_run(connection, session, now)
                journal.finish_run(connection, run, "failed", reason_of(error), now)
        except LedgerError as fault:
            log_event("failure not in the ledger", {"why": str(fault)})
        raise


@contextmanager
def measured(ledger: Ledger, metrics: Path | None) -> Iterator[None]:
    """Write a ledger's figures after a step; where the step failed, a file that fails too must not hide why."""
    if metrics is None:
        yield
        return
    try:
        yield
    except Exception:
        _if_it_can_be(lambda: write_metrics(ledger, metrics))
        raise
    write_metrics(ledger, metrics)


def _if_it_can_be(write: Callable[[], Path]) -> None:
    try:
        write()
    except (OSError, ValueError, AllocationError) as error:
        log.warning("the metrics could not be written: %s", error)

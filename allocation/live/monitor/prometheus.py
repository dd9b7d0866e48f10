"""A text file for Prometheus' node exporter: what a monitor should watch of a ledger."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from sqlalchemy import select

from allocation.live.ledger import journal, tables
from allocation.live.ledger.database import Ledger
from newsfolio.shared.atomic import write_text

HELP = {
    "newsfolio_last_run_timestamp_seconds": "When the last run began.",
    "newsfolio_last_run_success": "1 if the last run was done, 0 if it stopped, failed or was killed.",
    "newsfolio_last_success_timestamp_seconds": "When the last run that was done began.",
    "newsfolio_last_decision_timestamp_seconds": "When the last decision was made.",
    "newsfolio_nav": "Net asset value at the last valuation.",
    "newsfolio_cash": "Cash at the last valuation.",
    "newsfolio_orders_unended": "Orders that have not ended.",
}


def metrics(ledger: Ledger) -> dict[str, float]:
    """Return figures by name; those that are not known yet are left out."""
    with ledger.transaction() as connection:
        run, decision = journal.last_run(connection), journal.last_decision(connection)
        valuation = journal.last_valuation(connection)
        found = {"newsfolio_orders_unended": float(len(journal.unended_orders(connection)))}
        done = select(tables.runs.c.started).where(tables.runs.c.outcome == "done").order_by(tables.runs.c.id.desc())
        success = connection.scalar(done.limit(1))
    if run is not None:
        found["newsfolio_last_run_timestamp_seconds"] = journal.seconds(run.started)
        found["newsfolio_last_run_success"] = float(run.outcome == "done")
    if success is not None:
        found["newsfolio_last_success_timestamp_seconds"] = journal.seconds(success)
    if decision is not None:
        found["newsfolio_last_decision_timestamp_seconds"] = journal.seconds(decision.decided)
    if valuation is not None:
        found |= {"newsfolio_nav": valuation.nav, "newsfolio_cash": valuation.cash}
    return found


def write_metrics(ledger: Ledger, path: str | Path) -> Path:
    """Write the figures in Prometheus' text format, all or nothing, as the node exporter asks for it."""
    return _write(metrics(ledger), path)


def write_failure(path: str | Path, began: pd.Timestamp) -> Path:
    """Say that a run failed that `began` then (UTC), whether or not it came to a ledger; the rest stays as it was."""
    failed = {"newsfolio_last_run_timestamp_seconds": began.timestamp(), "newsfolio_last_run_success": 0.0}
    return _write(_written(Path(path)) | failed, path)


def _written(path: Path) -> dict[str, float]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    words = [line.split(maxsplit=1) for line in lines]
    return {name: float(value) for name, value in words if name in HELP}


def _write(found: Mapping[str, float], path: str | Path) -> Path:
    lines = [
        f"# HELP {name} {HELP[name]}\n# TYPE {name} gauge\n{name} {found[name]!r}" for name in HELP if name in found
    ]
    return write_text("\n".join(lines) + "\n", path)

"""Which ledger ran last at a place, remembered outside it: another one there, or an older copy, is noticed.

A small file in the user's folder for state ($XDG_STATE_HOME, else ~/.local/state), one per place. It holds nothing that
the ledger does not, and its loss only means that the next change is not noticed.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select

from allocation.live.errors import LedgerError
from allocation.live.ledger.database import Ledger
from allocation.live.ledger.tables import portfolio, runs
from newsfolio.shared.atomic import write_text

log = logging.getLogger(__name__)


def is_another(ledger: Ledger) -> Iterator[str]:
    """Yield why the ledger is not the one that ran last at its place, if it is not."""
    try:
        known = json.loads(_file(ledger).read_text(encoding="utf-8"))
        name, count = str(known["portfolio"]), int(known["runs"])
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s cannot be read, so that another ledger would not be noticed: %s", _file(ledger), error)
        return
    found, there = _state(ledger)
    if found != name:
        yield f"{ledger.where} is another account than the one that ran here last"
    elif there < count:
        yield f"{ledger.where} knows of {there} runs, and the last one here was run {count}: it is an older copy"


@contextmanager
def remember(ledger: Ledger) -> Iterator[None]:
    """Note at the end, however that comes, that this ledger is the one of this place; not of a dry run."""
    try:
        yield
    finally:
        name, count = _state(ledger)
        if name is not None and not ledger.dry:
            known = {"ledger": ledger.where, "portfolio": name, "runs": count}
            try:
                write_text(json.dumps(known) + "\n", _file(ledger), LedgerError)
            except (OSError, LedgerError) as error:
                log.warning("it cannot be noted which ledger ran, so that another would not be noticed: %s", error)


def _state(ledger: Ledger) -> tuple[str | None, int]:
    with ledger.transaction() as connection:
        return connection.scalar(select(portfolio.c.name)), connection.scalar(select(func.max(runs.c.id))) or 0


def _file(ledger: Ledger) -> Path:
    place = ledger.where
    if place.startswith("sqlite:///"):
        place = str(Path(place.removeprefix("sqlite:///")).resolve())
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "newsfolio" / f"ledger-{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"

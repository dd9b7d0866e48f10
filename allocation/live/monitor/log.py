"""What a step says while it runs: one log record per boundary, as text or as JSON, never with a secret in it."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from newsfolio.shared.text_table import printable

log = logging.getLogger("allocation.live")

# Environment variables whose values never show.
SECRETS = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "PGPASSWORD", "NEWSFOLIO_ON_FAILURE")
HIDDEN = "***"


def log_event(event: str, facts: Mapping[str, object] | None = None) -> None:
    """Log that a step has passed a boundary, after it has: what is logged is committed, or was answered."""
    log.info(event, extra={"facts": dict(facts or {})})


def redacted(text: str) -> str:
    """Return the text without the value of any secret in the environment."""
    for name in SECRETS:
        value = os.environ.get(name)
        if value:
            for written in (value, json.dumps(value)[1:-1]):
                text = text.replace(written, HIDDEN)
    return text


class _Lines(logging.Formatter):
    """`as_json`: one object per line; else the event and its facts in words."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self.as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The event and its facts as one line, secrets struck out."""
        facts: dict[str, object] = record.__dict__.get("facts", {})
        if self.as_json:
            stamp = {"time": record.created, "level": record.levelname.lower(), "event": record.getMessage()}
            return printable(redacted(json.dumps(stamp | facts, default=str)))
        words = ", ".join(f"{name} {value}" for name, value in facts.items())
        return printable(redacted(f"{record.getMessage()}{': ' if words else ''}{words}"))


@contextmanager
def event_stream(stream: TextIO, *, as_json: bool) -> Iterator[None]:
    """Send the events of a step to a stream while inside."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines(as_json))
    before, propagated = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
        log.propagate = propagated

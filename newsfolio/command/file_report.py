"""What `newsfolio check` says of a file, and the settings that it reads files with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NEWS, SCORED, LABELLED, PRICES, SIGNAL = "news", "scored news", "labelled texts", "prices", "signal"


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """How to read the files: the options of the other commands."""

    calendar: str | None = None
    timezone: str | None = None
    midnight: Any = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    asset: str | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """What a file was read as.

    first, last: dates of its rows, None where they have none. notes: what the reader inferred or left out; problems:
    what has to be corrected. details: figures of its kind. next: the command to go on with. frame: closes or signal
    (sessions × assets), or news rows.
    """

    file: Path
    kind: str
    rows: int
    assets: tuple[str, ...] = ()
    first: Any = None  # pd.Timestamp, or None
    last: Any = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    next: str = ""
    frame: Any = None

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "file": str(self.file),
            "kind": self.kind,
            "rows": self.rows,
            "assets": len(self.assets),
            "first": None if self.first is None else f"{self.first:%Y-%m-%d}",
            "last": None if self.last is None else f"{self.last:%Y-%m-%d}",
            "notes": list(self.notes),
            "problems": list(self.problems),
            "next": self.next,
            "details": self.details,
        }

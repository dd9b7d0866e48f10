"""A broker's answers, read field by field: what is not as documented is a BrokerError that says what was asked."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from allocation.live.errors import BrokerError

MOST_LETTERS = 200


@dataclass(frozen=True)
class Answer:
    """One object of an answer. asked: the request, for messages; clean: strikes secrets out of the broker's words."""

    fields: dict[str, Any]
    asked: str
    clean: Callable[[str], str]

    @classmethod
    def of(cls, value: object, asked: str, clean: Callable[[str], str]) -> "Answer":
        """Take an object."""
        if not isinstance(value, dict):
            raise BrokerError(f"Alpaca: {asked}: the answer is a {type(value).__name__}, not an object")
        return cls(value, asked, clean)

    @classmethod
    def list_of(cls, value: object, asked: str, clean: Callable[[str], str]) -> "list[Answer]":
        """Take a list of objects."""
        if not isinstance(value, list):
            raise BrokerError(f"Alpaca: {asked}: the answer is a {type(value).__name__}, not a list")
        return [cls.of(item, asked, clean) for item in value]

    def text(self, name: str) -> str:
        """Return a text of printable letters, at least one."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not value or not value.isprintable() or len(value) > MOST_LETTERS:
            raise self._wrong(name, "a text")
        return value

    def number(self, name: str) -> float:
        """Return a finite number, which may be written as text."""
        value = self.fields.get(name)
        try:
            found = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            found = math.nan
        if not math.isfinite(found):
            raise self._wrong(name, "a number")
        return found

    def number_or_none(self, name: str) -> float | None:
        """Return a number, None where the field is null or missing."""
        return None if self.fields.get(name) is None else self.number(name)

    def flag(self, name: str) -> bool:
        """Return a truth; what is missing is not true."""
        value = self.fields.get(name, False)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def moment(self, name: str) -> pd.Timestamp:
        """Return a time that states its zone, in UTC."""
        try:
            found = pd.Timestamp(self.text(name))
        except ValueError as error:
            raise self._wrong(name, "a time") from error
        if pd.isna(found) or found.tz is None:
            raise self._wrong(name, "a time with its zone")
        return found.tz_convert("UTC")

    def _wrong(self, name: str, wanted: str) -> BrokerError:
        value = self.clean(repr(self.fields.get(name)))[:MOST_LETTERS] if name in self.fields else "missing"
        return BrokerError(f"Alpaca: {self.asked}: {name} is {value}, not {wanted}")

"""Which way compared amounts went: "EUR 5 mn, from EUR 4 mn" is read as "EUR 5 mn ( up ), from EUR 4 mn".

An encoder sees digits as symbols and hardly tells 179 from 188, and companies report little else: "operating loss was
EUR 179 mn, compared to a loss of EUR 188 mn" is good news only by arithmetic. So the arithmetic is done for it.
"""

import re
from dataclasses import dataclass

CURRENCY = r"(?:US\$|EUR|USD|GBP|SEK|NOK|DKK|CHF|JPY|CNY|RUB|LTL|EEK|LVL|euros?|dollars?|pounds?|[$€£¥])"
SCALES = {"thousand": 1e3, "k": 1e3, "m": 1e6, "mn": 1e6, "mln": 1e6, "million": 1e6, "bn": 1e9, "bln": 1e9,
          "b": 1e9, "billion": 1e9, "tn": 1e12, "trillion": 1e12}  # fmt: skip
COUNTED = r"%|(?:percentage points?|percent|per cent|pct|cents?|people|persons|employees|tonnes|units)\b"
AMOUNT = re.compile(
    rf"(?<![\w.,/-])(?P<minus>-)?(?P<before>{CURRENCY})?\s?(?P<minus_too>-)?"
    r"(?P<number>\d{1,3}(?:\s?,\d{3})+(?:\.\d+)?|\d+(?:\s?\.\d+)?)(?![\d,.]*\d|-\d)"
    rf"(?:\s?(?P<scale>{'|'.join(sorted(SCALES, key=len, reverse=True))})\b)?"
    rf"(?:\s?(?P<after>{CURRENCY}(?!\w|\s*\d)|{COUNTED}))?",
    re.IGNORECASE,
)
SAME_UNIT = {
    "euro": "eur", "euros": "eur", "€": "eur", "$": "usd", "us$": "usd", "dollar": "usd", "dollars": "usd",
    "£": "gbp", "pound": "gbp", "pounds": "gbp", "¥": "jpy", "pct": "%", "percent": "%", "per cent": "%",
    "percentage point": "%", "percentage points": "%", "cent": "cents", "persons": "people", "employees": "people",
}  # fmt: skip

THEN = re.compile(
    r"\b(?:compared (?:to|with)|from|against|versus|vs|than|year[- ]earlier|year[- ]ago|previous(?:ly)?|last year)\b",
    re.IGNORECASE,
)
ROUGHLY = r"(?:(?:an?|the|about|around|over|some|nearly|almost|just|only|approximately|loss of|profit of) )*"
TO = re.compile(rf"^[\s,]*(?:per share |a share |in \d{{4}} )?(?:up |down )?to {ROUGHLY}$", re.IGNORECASE)
RESULT = re.compile(r"\b(?:(?P<loss>loss(?:es)?|deficit)|profit|gain|income|surplus|earnings)\b", re.IGNORECASE)
TWO_NUMBERS = re.compile(r"\d\D+\d")
SENTENCE_END = re.compile(r"[.!?]\s+[A-Z]")

NEAR = 40  # characters back to the word that makes an amount the older one
REACH = 110  # characters between two amounts that are compared
PARTNERS = 3  # how many amounts on the other may stand: one in another currency and a share of it may lie between


@dataclass(frozen=True)
class Amount:
    """A number with its unit in a text: from character `start` to `end`."""

    start: int
    end: int
    number: float
    scale: str
    unit: str
    whole: bool

    @property
    def bare(self) -> bool:
        """Whether it is a whole number of nothing: a day, a year, a place in a list."""
        return self.whole and not (self.unit or self.scale)


def with_directions(text: str) -> str:
    """Return the text with `( up )`, `( down )` or `( unchanged )` behind each amount that is compared with an older.

    A loss counts as a negative amount, so a smaller loss is up. Texts that compare nothing are returned as they are.
    """
    if not (TWO_NUMBERS.search(text) and THEN.search(text)):  # most headlines: a microsecond
        return text
    parts, since = [], 0
    for end, word in sorted(_directions(text).items()):
        parts += [text[since:end], f" ( {word} )"]
        since = end
    return "".join([*parts, text[since:]])


def amounts(text: str) -> list[Amount]:
    """Return the amounts of a text in their order."""
    return [_amount(match) for match in AMOUNT.finditer(text)]


def _amount(match: re.Match[str]) -> Amount:
    unit = (match["before"] or match["after"] or "").lower()
    digits = re.sub(r"[\s,]", "", match["number"])
    sign = -1.0 if match["minus"] or match["minus_too"] else 1.0
    return Amount(
        match.start(), match.end(), sign * float(digits), (match["scale"] or "").lower(),
        SAME_UNIT.get(unit, unit), "." not in digits,
    )  # fmt: skip


def _directions(text: str) -> dict[int, str]:
    """Return the word to insert at each character position."""
    found, words = amounts(text), dict[int, str]()
    for place, first in enumerate(found):
        second = _partner(text, first, found[place + 1 : place + 1 + PARTNERS])
        if second is None:
            continue
        between = text[first.end : second.start]
        now, then = _signed(text, first, second, between)
        if TO.search(between) and _is_old(text, found, place):
            words[second.end] = _word(then, now)
        elif THEN.search(between) and not _is_old(text, found, place):
            words[first.end] = _word(now, then)
    return words


def _partner(text: str, first: Amount, following: list[Amount]) -> Amount | None:
    """Return the next amount of the same kind; what stands between may be the first in another currency."""
    for second in following:
        between = text[first.end : second.start]
        if len(between) > REACH or SENTENCE_END.search(between):
            return None
        if _comparable(first, second):
            return second
    return None


def _is_old(text: str, found: list[Amount], place: int) -> bool:
    """Whether the words since the amount before it say that an amount is the older one: "from", "compared to"."""
    since = max(found[place - 1].end if place else 0, found[place].start - NEAR)
    return THEN.search(text[since : found[place].start]) is not None


def _comparable(one: Amount, other: Amount) -> bool:
    """Whether both have the same unit, or one has none where the other's goes without saying."""
    if one.bare or other.bare or not (one.unit or one.scale or other.unit or other.scale):
        return False
    if "%" in (one.unit, other.unit):
        return one.unit == other.unit
    return one.unit == other.unit or not (one.unit and other.unit)


def _signed(text: str, first: Amount, second: Amount, between: str) -> tuple[float, float]:
    """Return both as plain numbers, losses below 0."""
    sign = _sign(text[max(0, first.start - REACH) : first.start], 1.0)
    return _value(first, second) * sign, _value(second, first) * _sign(between, sign)


def _sign(words: str, otherwise: float) -> float:
    """-1 where the last result named is a loss, 1 where it is a profit."""
    last = None
    for last in RESULT.finditer(words):  # noqa: B007 - the last one is what is wanted
        pass
    return otherwise if last is None else -1.0 if last["loss"] else 1.0


def _value(amount: Amount, beside: Amount) -> float:
    """In units of one; "from 4 to 5 million" names the million once."""
    borrowed = beside.scale if not amount.scale and abs(amount.number) < 1e4 else ""
    return amount.number * SCALES.get(amount.scale or borrowed, 1.0)


def _word(now: float, then: float) -> str:
    return "up" if now > then else "down" if now < then else "unchanged"

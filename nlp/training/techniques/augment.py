"""Training texts augmented by copies with other amounts, company names and neutral synonyms; the label stays."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pandas as pd

from newsfolio.shared.errors import check_settings
from newsfolio.shared.tables import need_columns
from nlp.errors import CorpusError
from nlp.texts.near_duplicates import normalised

Random = np.random.Generator

# Invented, without a sound of success or failure; none is the name of a listed company that we know of.
NAMES = (
    "Aldervik", "Arnoma", "Belkasta", "Brunvale", "Cadrelin", "Corvanto", "Dalmero", "Dovrekka", "Elmarik", "Estrava",
    "Fennholt", "Folmara", "Garvanne", "Grennick", "Halvorsta", "Hestmark", "Ilmaranta", "Iskelund", "Jorvalla",
    "Juvento", "Kaldera", "Kestrup", "Lindorvo", "Lomarka", "Marvelund", "Mostrava", "Nordvella", "Norvanta", "Olmerik",
    "Ostravik", "Pellorna", "Pirvasto", "Quellin", "Ravensta", "Rintamo", "Selvarno", "Sundreka", "Tarvonen", "Tolmeri",
    "Ulvastad", "Uskela", "Varnholm", "Vestrano", "Wendrick", "Wilmarka", "Yllasto", "Zandova", "Zelmarin",
)  # fmt: skip

# Each leans to neither side, before or after. One way only where the other is ambiguous: "based on" has no office.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "said": ("stated",),
    "stated": ("said",),
    "company": ("firm",),
    "approximately": ("roughly", "about"),
    "headquartered": ("based",),
    "manufacturer": ("maker", "producer"),
    "maker": ("manufacturer", "producer"),
    "producer": ("maker", "manufacturer"),
    "corresponding period": ("same period",),
    "compared to": ("compared with",),
    "compared with": ("compared to",),
    "located in": ("situated in",),
    "situated in": ("located in",),
    "entire": ("whole",),
    "currently": ("at present",),
    "at present": ("currently",),
    "employees": ("staff members",),
    "subsidiary": ("unit",),
    "will begin": ("will start",),
    "will start": ("will begin",),
    "year-on-year": ("year on year",),
}
_WORD = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, SYNONYMS))})(?![\w-])", re.IGNORECASE)


@dataclass(frozen=True)
class AugmentConfig:
    """How to make copies.

    copies: how many to try per text; a text that nothing can be changed in gets none. numbers, names, synonyms: the
    chance that a copy has other amounts, that it has another company name, that each neutral word in it is
    exchanged. widest: amounts are multiplied by a factor between 1 / widest and widest.

    Raises:
        CorpusError: a setting makes no sense.
    """

    copies: int = 1
    numbers: float = 1.0
    names: float = 1.0
    synonyms: float = 0.5
    widest: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        chances = ("numbers", "names", "synonyms")
        rules = (
            *((name, 0.0 <= getattr(self, name) <= 1.0, "a chance in [0, 1]") for name in chances),
            ("copies", self.copies >= 0, ">= 0"),
            ("widest", 1.0 <= self.widest <= 10.0, "a factor in [1, 10], 2 is usual"),
        )
        check_settings(self, rules, CorpusError)


def augment(train: pd.DataFrame, config: AugmentConfig | None = None, *, held_out: Iterable[str] = ()) -> pd.DataFrame:
    """Return the training rows as they are, then their changed copies; a new column `augmented` marks them.

    train: rows with `text` and `label`; a copy keeps the label and every other column of its original. held_out:
    texts that the model will be measured on; no copy may equal one, numbers and case aside, so split first. What a
    row's copies are depends on its text and the config, not on the rows around it; a repeat is left out.

    Raises:
        CorpusError: a column is missing or `augmented` there already, or a training text is among those held out.
    """
    config = AugmentConfig() if config is None else config
    need_columns(train, ("text", "label"), "the training rows", CorpusError)
    if "augmented" in train.columns:
        raise CorpusError("the training rows have a column augmented: pass rows that were not augmented before")
    exact = set(held_out)
    both = [text for text in train["text"] if text in exact]
    if both:
        raise CorpusError(f"{len(both)} training texts are held out, the first is {both[0][:60]!r}: split first")
    taken, seen = {normalised(text) for text in exact}, set(train["text"])
    places, texts = [], []
    for place, text in enumerate(train["text"]):
        for number in range(config.copies):
            # The generator depends on these three only, so it is the same in every process.
            digest = hashlib.sha256(f"{config.seed}\0{number}\0{text}".encode()).digest()
            copy = changed(text, config, np.random.default_rng(list(digest)))
            if copy not in seen and normalised(copy) not in taken:
                seen.add(copy)
                places.append(place)
                texts.append(copy)
    copies = train.iloc[places].assign(text=pd.Series(texts, dtype=train["text"].dtype).array, augmented=True)
    return pd.concat([train.assign(augmented=False), copies], ignore_index=True)


def changed(text: str, config: AugmentConfig, random: Random) -> str:
    """Return one copy of a text, or the text itself where nothing in it can be changed with certainty."""
    if random.random() < config.numbers:
        text = other_numbers(text, random, config.widest)
    if random.random() < config.names:
        text = other_name(text, random)
    return other_words(text, random, config.synonyms)


# --- numbers -----------------------------------------------------------------------------------------------------

_CURRENCY = r"EUR|USD|GBP|SEK|NOK|DKK|LVL|LTL|RUB|CHF|JPY|euros?|dollars?|pounds?|kronor|MEUR|mEUR|EURm|[$€£]"
_SCALE = r"million|billion|thousand|trillion|mln|bln|mn|bn|tn|mio"
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)[a-z]*\.?"
# In this order: the first that fits a place in the text names what stands there.
_TOKEN = re.compile(
    rf"""
    (?P<date> \b(?:19|20)\d\d\b(?![.,]\d)(?!\s*(?:{_SCALE}|{_CURRENCY}|%)(?![A-Za-z]))
            | \b{_MONTH}\ \d{{1,2}}\b(?![.,]?\d) | \b\d{{1,2}}\ {_MONTH}(?![A-Za-z]) )
    | (?P<percent> (?<![\w.,])(?P<share>{_NUMBER})\s?(?:%|per\ cent\b|percent\b|pct\b) )
    | (?P<amount> (?P<before>(?<![A-Za-z])(?:{_CURRENCY})\s?)?(?P<value>{_NUMBER})
                  (?P<after>(?:\s?(?:{_SCALE})\b)?(?:\s(?:{_CURRENCY})(?![A-Za-z]))?) )
    | (?P<unit> \b(?:{_SCALE}|percent|per\ cent)\b )
    """,
    re.VERBOSE,
)


def other_numbers(text: str, random: Random, widest: float = 2.0) -> str:
    """Multiply all amounts of a text by one factor, so that none comes to stand on the other side of another.

    Amounts are numbers with a currency or a scale (million, bn); one factor for all keeps "from 8.7 to 13.1" a rise,
    and percentages between amounts true. Where a text has percentages only, they get one factor instead, and stay on
    their side of 50 and 100 %. Years and dates stay. A text with any other number is left alone: it might be an
    amount whose unit is not named, and moving its neighbours could turn a rise into a fall.
    """
    found = list(_TOKEN.finditer(text))
    for match in found:  # no unit that we know, part of a word or a range, or a unit written out in words: unclear
        if match["unit"]:
            return text
        if match["amount"]:
            after, before = text[match.end() :], text[: match.start()]
            glued = re.match(r"[\w-]|[.,/:]\d|\ \d", after) or re.search(r"[\w./:,-]$", before)
            if glued or not (match["before"] or match["after"]):
                return text
    amounts = [match for match in found if match["amount"]]
    figures = _figures(amounts, "value") or _figures([match for match in found if match["percent"]], "share")
    for _ in range(8):  # rounding to the decimals written may make two amounts equal: then another factor
        factor = float(np.exp(random.uniform(-np.log(widest), np.log(widest))))
        new = [_written(float(figure.value) * factor, like=figure.written) for figure in figures]
        if _same_order(figures, new, percentages=not amounts):
            for figure, number in reversed(list(zip(figures, new, strict=True))):
                text = text[: figure.start] + number + text[figure.start + len(figure.written) :]
            return text
    return text


class _Figure(NamedTuple):
    start: int
    written: str
    unit: int  # 1000000 for mn

    @property
    def value(self) -> Decimal:
        return _exact(self.written)


_UNITS = {"thousand": 10**3, "mio|meur|eurm|m(n|ln|illion)": 10**6, "b(n|ln|illion)": 10**9, "t(n|rillion)": 10**12}


def _figures(found: list[re.Match[str]], group: str) -> list[_Figure]:
    figures = []
    for match in found:
        letters = re.sub(r"[^a-z]", "", match[0].lower())
        unit = next((unit for name, unit in _UNITS.items() if re.search(name, letters)), 1)
        figures.append(_Figure(match.start(group), match[group], unit))
    return figures


def _same_order(figures: list[_Figure], new: list[str], *, percentages: bool) -> bool:
    """Whether every two figures compare as before, each with its unit, and none has become or ceased to be 0.

    percentages: half and the whole are thresholds too: a majority stays a majority, a share stays one.
    """
    fixed = (0, 50, 100) if percentages else (0,)
    pairs = [(f.value * f.unit, _exact(text) * f.unit) for f, text in zip(figures, new, strict=True)]
    others = [*pairs, *((Decimal(value), Decimal(value)) for value in fixed)]
    return all((a > c) == (b > d) and (a < c) == (b < d) for a, b in pairs for c, d in others)


def _exact(number: str) -> Decimal:
    return Decimal(number.replace(",", ""))  # as floats, 8.7 million and 8,700,000 differ


def _written(value: float, *, like: str) -> str:
    decimals = len(like.partition(".")[2])
    return f"{value:,.{decimals}f}" if "," in like else f"{value:.{decimals}f}"


# --- names -------------------------------------------------------------------------------------------------------

_LEGAL = r"Oyj|Oy|Plc|PLC|Corp|Corporation|Inc|Ltd|Limited|AB|ASA|AG|SA|NV|SE|AS|A/S|LLC|SpA|GmbH|Abp"
_SUBJECT = re.compile(rf"^(?P<stem>[A-Z][\w&-]*(?: [A-Z][\w&-]*){{0,2}}) (?:{_LEGAL})(?![\w/])")
_ORIGIN = re.compile(r"-(?:based|listed|owned|headquartered|quoted)$")  # Finland-based Elcoteq SE
_NO_NAME = frozenset({
    "The", "A", "An", "In", "At", "On", "For", "Of", "By", "With", "From", "And", "But", "Its", "This", "That", "These",
    "Our", "Their", "Finnish", "Swedish", "Danish", "Norwegian", "Estonian", "Russian", "German", "British", "American",
    "French", "Dutch", "Chinese", "Japanese", "Indian", "European", "Nordic", "Baltic", "US", "UK", "Shares", "Net",
    "Operating", "Sales", "Profit", "Loss", "Revenue", "Turnover",
})  # fmt: skip


def other_name(text: str, random: Random) -> str:
    """Replace the company that a text opens with by an invented one, wherever it is named in the text.

    Only a capitalised name before its legal form (Oyj, Plc, Inc) is taken for one. Where a single word of a longer
    name also stands alone, or the name is part of a longer word, the text is left as it is.
    """
    found = _SUBJECT.match(text)
    if found is None or any(word in _NO_NAME or _ORIGIN.search(word) for word in found["stem"].split()):
        return text
    stem = found["stem"]
    whole = re.compile(rf"(?<![\w-]){re.escape(stem)}(?![\w-])")
    rest = whole.sub("", text)
    if any(word.lower() in rest.lower() for word in stem.split()):
        return text
    new = NAMES[random.integers(len(NAMES))]
    return text if new in text else whole.sub(new, text)


# --- words -------------------------------------------------------------------------------------------------------


def other_words(text: str, random: Random, chance: float) -> str:
    """Exchange each word of SYNONYMS with this chance; one with a capital, but the text's first, may be a name."""

    def other(match: re.Match[str]) -> str:
        """Another word for this one, or itself."""
        choices = SYNONYMS[match[0].lower()]
        pick, drawn = choices[random.integers(len(choices))], random.random() < chance
        starts = match.start() == 0 and match[0] == match[0].capitalize()
        if not drawn or not (starts or match[0].islower()):
            return match[0]
        return pick.capitalize() if starts else pick

    return _WORD.sub(other, text)

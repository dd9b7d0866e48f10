"""What is unusual about the assets and texts of a source of news: counted over its parts, said once."""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from newsfolio.shared.arrays import BoolArray
from nlp.errors import NewsError
from nlp.texts.aliases import joined_assets, one_asset_spelled

log = logging.getLogger(__name__)

SHOWN = 60  # characters of a text in a message
# In lower case only: Reuters writes tickers as <BR.N> and <A>.
MARKUP = re.compile(
    r"&(?:[A-Za-z]{2,8}|#\d{2,6}|#[xX][0-9A-Fa-f]{2,5});"
    r"|</?(?:[abip]|br|em|strong|span|div|img|li|ul|ol|h[1-6]|font|td|tr|table)(?:\s[^<>]*)?/?>"
)


@dataclass
class NewsNotes:
    """Counts of what is said of one source; `add_assets` and `add_texts` look at its parts."""

    where: str
    names: set[str] = field(default_factory=set)
    several: int = 0  # stories that name several assets
    nameless: int = 0  # rows with nan, None, ... as their asset
    multiline: int = 0  # texts with a line break
    marked: int = 0  # texts with HTML
    first_multiline: str = ""
    first_marked: str = ""

    def add_assets(self, names: Iterable[str], several: int, nameless: int) -> None:
        """Count the assets of one part."""
        self.names.update(names)
        self.several += several
        self.nameless += nameless

    def add_texts(self, texts: pd.Series, first_row: int = 1) -> None:
        """Look at the texts of one part."""
        lines = np.flatnonzero(containing(texts, "\n"))
        broken = [int(row) for row in lines if "\n" in texts.iloc[row].strip()]
        signs = np.flatnonzero(containing(texts, "&") | containing(texts, "<"))
        marked = [int(row) for row in signs if MARKUP.search(texts.iloc[row])]
        self.multiline += len(broken)
        self.marked += len(marked)
        if broken and not self.first_multiline:
            self.first_multiline = f"row {first_row + broken[0]}: {texts.iloc[broken[0]][:SHOWN]!r}"
        if marked and not self.first_marked:
            self.first_marked = f"row {first_row + marked[0]}: {texts.iloc[marked[0]][:SHOWN]!r}"

    def say_assets(self) -> None:
        """Log what was found among the assets."""
        if self.several:
            log.warning("%s: %d stories name several assets: one row for each, of relevance 1 / n", self.where,
                        self.several)  # fmt: skip
        if self.nameless:
            log.warning("%s: %d rows have nan, None, null or N/A as their asset, which stand for a missing one: they "
                        "count as rows without an asset", self.where, self.nameless)  # fmt: skip
        if spellings := one_asset_spelled(self.names):
            log.warning("%s: %s may be one asset: keep one name (--aliases FILE, a table of alias and asset)",
                        self.where, spellings)  # fmt: skip
        if joined := joined_assets(self.names):
            log.warning("%s: %s is read as one asset, though its parts are assets of other rows: write several assets "
                        "with commas (AAPL,MSFT)", self.where, joined)  # fmt: skip

    def say_texts(self) -> None:
        """Log what was found among the texts."""
        if self.multiline and self.where.endswith((".csv", ".tsv")):  # the others need no quotation marks
            log.warning("%s: %d texts hold line breaks, the first in %s: where they are not meant, a quotation mark is "
                        "missing or too many", self.where, self.multiline, self.first_multiline)  # fmt: skip
        if self.marked:
            log.warning("%s: %d texts hold HTML (&amp;, &#39;, <b>), the first in %s: they are scored as written: "
                        "html.unescape of Python turns &amp; into &", self.where, self.marked,
                        self.first_marked)  # fmt: skip


def containing(texts: pd.Series, pattern: str) -> BoolArray:
    """Return whether each is a text in which the pattern, plain or a regular expression without groups, occurs."""
    if texts.dtype != "str":
        search = re.compile(pattern).search
        found = (isinstance(text, str) and search(text) is not None for text in texts.to_numpy(dtype=object))
        return np.fromiter(found, dtype=bool, count=len(texts))
    return texts.str.contains(pattern, regex=len(pattern) > 1, na=False).to_numpy(dtype=bool, copy=True)


def refuse_half_characters(values: pd.Series, where: str, first_row: int = 1) -> None:
    """Raise NewsError for the first text that no encoding can hold, which only a column of objects can."""
    if values.dtype != object:
        return
    for row, value in enumerate(values.to_numpy(dtype=object), first_row):
        try:
            if isinstance(value, str):
                value.encode()  # a hundred times as fast as to look at each character
        except UnicodeEncodeError as cause:
            raise NewsError(
                f"{where}: row {row}: the {values.name} {value!r} holds half a character (a lone surrogate): "
                "decode it again"
            ) from cause

"""What a table of prices is: wide closes, long rows, one asset's bars, or fields by assets; and its bars."""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from allocation.data.bars import bars_from_fields, bars_from_long
from allocation.data.files.dates import looks_like_a_date, parse_dates
from allocation.data.files.headings import DAY_WORDS, TICKER_WORDS, Label, day_column, plain
from allocation.data.files.numbers import parse_numbers
from allocation.data.files.wide import dated, read_values
from allocation.errors import SourceError
from allocation.frames import Bars, check_prices, named

log = logging.getLogger(__name__)

FIELDS = {  # a heading without case and signs -> what it is
    **dict.fromkeys(
        ("close", "closeprice", "closingprice", "closelast", "last", "lastprice", "price", "pxlast", "prc", "settle"),
        "close",
    ),
    **dict.fromkeys(
        (
            *("adjclose", "adjustedclose", "closeadj", "closeadjusted", "adjcloseprice", "adjustedcloseprice"),
            *("adjprice", "adjustedprice"),
        ),
        "adj_close",
    ),
    **dict.fromkeys(("open", "openprice", "openingprice", "pxopen"), "open"),
    **dict.fromkeys(("high", "highprice", "dayhigh", "pxhigh"), "high"),
    **dict.fromkeys(("low", "lowprice", "daylow", "pxlow"), "low"),
    **dict.fromkeys(("volume", "vol", "volumes", "sharesvolume", "pxvolume"), "volume"),
}
QUANTMOD = {"adjusted": "adj_close"}  # next to a ticker; alone it may be anything
MARKS = ("open", "high", "low")
USED = ("close", "adj_close", *MARKS, "volume")
BARS = ("open", "high", "low", "volume")  # next to a close, they make a table of one asset's bars
FIELD = r"adj(?:usted)?[ _.]?close|adjusted|close|open|high|low|volume|vol"
QUOTES = {"bid", "ask", "mid", "bidprice", "askprice", "midprice"}
BESIDE = {  # what vendors write next to a close, of which nothing is used
    *(
        "change",
        "changepercent",
        "pctchange",
        "percentchange",
        "return",
        "returns",
        "ret",
        "marketcap",
        "pe",
        "peratio",
    ),
    *("totalvolume", "vwap", "tradecount", "transactions", "trades", "turnover", "currency", "exchange", "weekday"),
    *("dividends", "dividend", "stocksplits", "splitfactor", "capitalgains", "openinterest", *DAY_WORDS),
}
FLAT = (rf"(?P<field>{FIELD})[ _.|:/-]+(?P<ticker>.+)", rf"(?P<ticker>.+?)[ _.|:/-]+(?P<field>{FIELD})")


@dataclass(frozen=True)
class PriceFile:
    """What a file was understood as: its form in words, its bars, and what had to be inferred."""

    form: str
    bars: Bars
    notes: tuple[str, ...]


def say(path: str | Path, notes: Sequence[str]) -> None:
    """Log in one line what had to be inferred of a file."""
    if notes:
        log.warning("%s: %s", Path(path).name, "; ".join(notes))


def read_price_file(path: Path, asset: str | None = None) -> PriceFile:
    """Read prices in any form that people have them in; `asset` names the asset of a file that names none.

    Raises:
        SourceError: the file cannot be read, or can be read in two ways. FrameError: what it holds are not prices.
    """
    notes: list[str] = []
    return understand(read_values(path, notes), str(path), asset or None, notes)


def understand(table: pd.DataFrame, where: str, asset: str | None, notes: list[str]) -> PriceFile:
    """Return the bars of a table that `read_values` or a database gave."""
    if not table.shape[1]:
        raise SourceError(f"{where}: is empty")
    day = day_column(table)
    others = [label for label in table.columns if label != day]
    words = {plain(label): label for label in reversed(others)}
    ticker = next((words[word] for word in TICKER_WORDS if word in words), None)
    fields = _fields([label for label in others if label != ticker], where)
    _refuse_other_tables(others, fields, where)
    pairs = _pairs(others, where)
    if pairs:
        form, bars = "fields by assets", _by_pairs(table, day, pairs, where, notes)
    elif ticker is not None and ({"close", "adj_close"} & set(fields) or str(ticker) == "ticker"):
        form, bars = "long rows", _long(table, {"date": day, "ticker": ticker} | fields, where, notes)
    elif _is_one_asset(fields, others, where):
        name = asset or re.sub(r"^database.*", "asset", Path(where).stem)
        if asset is None:
            notes.append(
                f"one asset, called {name} after the file: rename the file, or pass --asset, to call it otherwise"
            )
        form, asset = "one asset's bars", None
        said = {*fields.values(), *(label for label in others if plain(label) in ("dividends", "stocksplits"))}
        left = [str(label) for label in others if label not in said]
        notes += [f"not read: {named(left)}"] if left else []
        frame = dated(table[[day, *(fields[f] for f in USED if f in fields)]], where, notes)
        wide = {f: frame[[fields[f]]].set_axis([name], axis=1) for f in USED if f in fields}
        bars = _bars(wide, where, notes)
    else:
        form, bars = "wide closes", Bars(check_prices(dated(table, where, notes), where))
    if asset is not None:
        raise SourceError(f"{where}: names its assets itself ({named(bars.close.columns)}): leave asset out")
    return PriceFile(form, bars, tuple(notes))


def _refuse_other_tables(labels: Sequence[Label], fields: dict[str, Label], where: str) -> None:
    """Raise where columns are neither assets nor fields next to a close, and would be taken for assets."""
    if sum(looks_like_a_date(label) for label in labels if isinstance(label, str)) > len(labels) / 2:
        raise SourceError(f"{where}: its dates are headings: turn rows and columns, so that each row is a session")
    names = {plain(label) for label in labels}
    if set(MARKS) <= set(fields) and not {"close", "adj_close"} & set(fields):
        raise SourceError(f"{where}: has {named(map(str, fields.values()))} and no close: add a column close")
    if names & {"bid", "bidprice"} and names <= QUOTES | BESIDE | set(FIELDS):
        raise SourceError(
            f"{where}: has {named(map(str, labels))}, which are quotes: name one of them close, leave out the rest"
        )


def _fields(labels: Sequence[Label], where: str) -> dict[str, Label]:
    found: dict[str, Label] = {}
    for label in labels:
        field = FIELDS.get(plain(label)) if isinstance(label, str) else None
        if field is not None and field in found and "price" in (plain(label), plain(found[field])):
            found[field] = label if plain(found[field]) == "price" else found[field]
        elif field is not None and field in found:
            raise SourceError(f"{where}: the columns {found[field]} and {label} are both the {field}: keep one")
        elif field is not None:
            found[field] = label
    return found


def _is_one_asset(fields: dict[str, Label], others: Sequence[Label], where: str) -> bool:
    """Whether the columns are those of one asset; LOW and OPEN without a close are tickers."""
    if not {"close", "adj_close"} & set(fields):
        return False
    if set(BARS) & set(fields):
        return True
    strange = [str(label) for label in others if label not in fields.values() and plain(label) not in BESIDE]
    if not strange:
        return True
    raise SourceError(
        f"{where}: has {named(map(str, fields.values()))} and {named(strange)}: name a column ticker if rows are of "
        "several assets, or keep either one asset's prices or one column per asset"
    )


def _long(table: pd.DataFrame, columns: dict[str, Label], where: str, notes: list[str]) -> Bars:
    used = {name: label for name, label in columns.items() if name in ("date", "ticker", *USED)}
    money: Sequence[object] = next(
        (table[label].dropna().unique().tolist() for label in table.columns if plain(label) == "currency"), []
    )
    if len(money) > 1:
        raise SourceError(f"{where}: has prices in several currencies ({named(money)}): write all in one")
    rows = table[list(used.values())].set_axis(list(used), axis=1)
    rows = rows.assign(ticker=rows["ticker"].astype(object).where(rows["ticker"].notna(), None))
    values = [name for name in used if name in USED]
    numbers = parse_numbers(rows[values], where, notes)
    dates = parse_dates(rows["date"], where, notes)
    rows = rows.assign(date=dates, **{name: numbers[name] for name in values})
    if "close" not in rows and "adj_close" in rows:
        _say_unadjustable(rows, notes)
        rows = rows.rename(columns={"adj_close": "close"}).drop(columns=list(MARKS), errors="ignore")
    return bars_from_long(rows, where)


def _say_unadjustable(columns: Iterable[object], notes: list[str]) -> None:
    """Without the close that an adjusted one was made of, nothing says how to adjust the other prices."""
    unread = [name for name in MARKS if name in columns]
    if unread:
        notes.append(f"{named(unread)} not read: without a close they cannot be adjusted")


def _pairs(labels: Sequence[Label], where: str) -> dict[tuple[str, str], Label]:
    """(field, ticker) of each column, where all headings name both; else nothing."""
    tuples = [label for label in labels if isinstance(label, tuple)]
    if tuples:
        if len(tuples) != len(labels) or any(len(label) != 2 for label in tuples):
            raise SourceError(f"{where}: its heading rows do not name a field and a ticker for every column")
        levels = [0, 1] if all(_is_field(label[0]) for label in tuples) else [1, 0]
        if not all(_is_field(label[levels[0]]) for label in tuples):
            raise SourceError(f"{where}: its heading rows name no close: keep the columns Close or Adj Close")
        return _unique({(FIELDS.get(plain(x[levels[0]]), ""), x[levels[1]]): x for x in tuples}, tuples, where)
    for pattern in FLAT:
        matches = [re.fullmatch(pattern, str(label), re.IGNORECASE) for label in labels]
        if not labels or any(plain(label) in FIELDS for label in labels):
            continue
        if all(matches):
            found = [((FIELDS | QUANTMOD)[plain(m["field"])], m["ticker"]) for m in matches if m]
            if {"close", "adj_close"} & {field for field, _ in found}:
                return _unique(dict(zip(found, labels, strict=True)), labels, where)
        bare = [str(label) for label, match in zip(labels, matches, strict=True) if match is None]
        beside = [m for m in matches if m]
        if bare and beside and {m["ticker"] for m in beside} <= set(bare):  # AAPL, and AAPL Volume next to it
            known: dict[tuple[str, str], Label] = {("close", name): name for name in bare}
            return known | {((FIELDS | QUANTMOD)[plain(m["field"])], m["ticker"]): m.string for m in beside}
    return {}


OTHER_FIELDS = {"dividends", "stocksplits", "capitalgains", "repaired"}


def _is_field(part: str) -> bool:
    return plain(part) in FIELDS or plain(part) in OTHER_FIELDS


def _unique(pairs: dict[tuple[str, str], Label], labels: Sequence[Label], where: str) -> dict[tuple[str, str], Label]:
    named_pairs = [
        label for label in labels if not (isinstance(label, tuple) and OTHER_FIELDS & set(map(plain, label)))
    ]
    used = {pair: label for pair, label in pairs.items() if pair[0]}
    if len(used) < len(named_pairs):
        raise SourceError(f"{where}: has two columns for one field and ticker: keep one")
    return used


def _by_pairs(
    table: pd.DataFrame, day: Label, pairs: dict[tuple[str, str], Label], where: str, notes: list[str]
) -> Bars:
    used = {pair: label for pair, label in pairs.items() if pair[0] in USED}
    columns = list(used.values())
    chosen = table.loc[:, [day, *columns]] if isinstance(day, str) else table
    frame = dated(chosen, where, notes)
    wide = {
        field: pd.DataFrame({ticker: frame[label] for (f, ticker), label in used.items() if f == field})
        for field in dict.fromkeys(field for field, _ in used)
    }
    return _bars({field: values.dropna(axis=1, how="all") for field, values in wide.items()}, where, notes)


def _bars(wide: dict[str, pd.DataFrame], where: str, notes: list[str]) -> Bars:
    if "close" not in wide and "adj_close" in wide:
        _say_unadjustable(wide, notes)
        wide = {"close": wide["adj_close"]} | {name: wide[name] for name in ("volume",) if name in wide}
    if "close" not in wide:
        raise SourceError(f"{where}: has no closes: add a column close or adj close")
    return bars_from_fields({name: frame.reindex(columns=wide["close"].columns) for name, frame in wide.items()}, where)

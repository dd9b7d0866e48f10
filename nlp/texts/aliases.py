"""What a cell names: one ticker or several; and other names of an asset -> the ticker that its prices go by."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from newsfolio.shared.tables import need_columns, read_table
from nlp.errors import NewsError

TICKER = re.compile(r"[A-Z0-9^$][A-Z0-9.\-=:/^]*")
WHOLE = re.compile(r"^(\d+)\.0$")  # a ticker that a spreadsheet took for a number
VENDORS_MARKS = re.compile(r"^\$|^[A-Z]{2,8}:|\.(?:OQ|O|N|US)$| US(?: EQUITY)?$")  # Reuters' and Bloomberg's among them
NO_TICKERS = {"nan", "NaN", "NaT", "None", "null", "<NA>", "N/A", "#N/A", "n/a"}  # NA, NAN and NULL may be tickers
JOINTS = re.compile(r"\s*[/&+]\s*|\s+-\s+|\s+")
COMPANY_FORMS = {"INC", "LTD", "CORP", "CO", "PLC", "LLC", "LP", "SA", "AG", "NV", "SE"}  # Apple, Inc. is one asset

Aliases = Mapping[str, str] | str | Path | pd.DataFrame


def read_aliases(source: Aliases) -> dict[str, str]:
    """Return alias -> asset, from a mapping or from a table with the columns alias and asset.

    Raises:
        NewsError: a column is missing, a name is empty or no text, or one alias stands for two assets.
    """
    if isinstance(source, Mapping):
        table, where = pd.DataFrame({"alias": list(source), "asset": list(source.values())}), "aliases"
    else:
        table, where = read_table(source, NewsError, words=("alias",))
        need_columns(table, ("alias", "asset"), where, NewsError)
    for column in ("alias", "asset"):
        for row, name in enumerate(table[column], start=1):
            if not (isinstance(name, str) and name.strip()):
                raise NewsError(f"{where}: row {row}: {column} {name!r} is no name: write one or drop the row")
    pairs = table[["alias", "asset"]].apply(lambda names: names.str.strip()).drop_duplicates()
    twice = pairs[pairs["alias"].duplicated(keep=False)]
    if len(twice):
        meant = ", ".join(twice.loc[twice["alias"] == twice["alias"].iloc[0], "asset"])
        raise NewsError(f"{where}: alias {twice['alias'].iloc[0]!r} stands for {meant}: keep one")
    return dict(zip(pairs["alias"], pairs["asset"], strict=True))


def asset_names(value: Any) -> tuple[str, ...] | None:
    """Return the tickers that a cell names: one, several of a list or of text with commas, none where it is empty.

    None stands for what is no ticker: true or false, a number with decimals, a mapping.
    """
    if isinstance(value, str):
        return _tickers(value.strip())
    if isinstance(value, (bool, np.bool_, Mapping)):
        return None
    if isinstance(value, (Sequence, np.ndarray)):
        parts = [asset_names(each) for each in value]
        return None if None in parts else tuple(dict.fromkeys(name for part in parts for name in part or ()))
    if pd.isna(value):
        return ()
    if isinstance(value, (int, float, np.number)):  # beside a gap a number is 600519.0
        return (str(int(value)),) if float(value).is_integer() else None
    return (str(value).strip(),)


def _tickers(text: str) -> tuple[str, ...]:
    listed = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text  # a list that was written as text
    parts = [part.strip().strip("'\"").strip() for part in re.split(r"[,;|]", listed)]
    names = tuple(dict.fromkeys(WHOLE.sub(r"\1", part) for part in parts if part and part not in NO_TICKERS))
    if text in NO_TICKERS:
        return ()
    several = len(parts) > 1 and all(TICKER.fullmatch(name) for name in names)
    if (several and not any(name.rstrip(".") in COMPANY_FORMS for name in names)) or listed is not text:
        return names
    return (WHOLE.sub(r"\1", text),) if text else ()


def one_asset_spelled(names: Iterable[str]) -> str:
    """Return examples of names that differ in case, a dollar sign, an exchange or a suffix only.

    AAPL, aapl, $AAPL, NASDAQ:AAPL, AAPL.O, AAPL US Equity; classes of shares (BRK.A, BRK.B) are not meant.
    """
    spelled: dict[str, list[str]] = {}
    for name in sorted(names):
        spelled.setdefault(VENDORS_MARKS.sub("", name.upper()), []).append(name)
    several = [", ".join(each) for each in spelled.values() if len(each) > 1]
    more = f" (and {len(several) - 3} more)" if len(several) > 3 else ""
    return " or ".join(several[:3]) + more


def joined_assets(names: Iterable[str]) -> str:
    """Return examples of names made of others: AAPL/MSFT or AAPL MSFT, where AAPL and MSFT are names too."""
    known = set(names)
    joined = [name for name in sorted(known) if len(parts := JOINTS.split(name)) > 1 and known.issuperset(parts)]
    more = f" (and {len(joined) - 3} more)" if len(joined) > 3 else ""
    return ", ".join(map(repr, joined[:3])) + more

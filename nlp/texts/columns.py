"""Which column of a file of news holds what: names that people use for published, asset and text."""

from collections.abc import Hashable, Iterable, Mapping, Sequence

import pandas as pd

from newsfolio.shared.tables import plain_name
from nlp.errors import NewsError

MEANINGS = {
    "published": (
        "published", "publishedat", "publicationdate", "publicationtime", "pubdate", "date", "time", "createdat",
        "datetime", "timestamp", "publishedutc", "timepublished", "timestamputc", "datetimeutc",
    ),
    "asset": ("asset", "ticker", "symbol", "stock", "stocksymbol", "tickers", "symbols"),
    "text": ("text", "headline", "title", "sentence", "articletitle", "headlines"),
}  # fmt: skip
WORDS = (*MEANINGS["asset"], *MEANINGS["text"])  # columns in which digits are no numbers
ROLES = (*MEANINGS, "score", "time_known", "relevance", "novelty")


def parse_columns(text: str) -> dict[str, str]:
    """Read `published=created_at,asset=ticker`, what --columns is given.

    Raises:
        NewsError: a part is not of this form, or a name on the left is not one that newsfolio reads.
    """
    given = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        role, sign, column = (each.strip() for each in part.partition("="))
        if not sign or not column or role not in ROLES:
            raise NewsError(f"--columns {part!r} is not understood: write published=NAME,asset=NAME,text=NAME")
        given[role] = column
    return given


def understand_columns(columns: Iterable[Hashable], given: Mapping[str, str] | None, where: str) -> dict[str, str]:
    """Return column in the file -> name by which newsfolio reads it, for those that are called otherwise.

    Names are compared without case, blanks, underscores and hyphens. A column of the very name wins; `given` (name ->
    column in the file) decides for the rest.

    Raises:
        NewsError: two columns could be the same thing, or a given one is not there.
    """
    names, given = [str(column) for column in columns], dict(given or {})
    renamed: dict[str, str] = {}
    for role, column in given.items():
        if role not in ROLES:
            raise NewsError(f"columns: {role!r} is not a name that newsfolio reads: use {', '.join(ROLES)}")
        if column not in names:
            raise NewsError(f"{where}: has no column {column!r} to be read as {role} (it has {', '.join(names)})")
        if column != role:
            renamed[column] = role
            if role in names:
                renamed[role] = f"{role}_given"
    for role, known in MEANINGS.items():
        if role in given or role in names:
            continue
        found = [name for name in names if plain_name(name) in known and name not in renamed]
        if len(found) > 1:
            both = f", or both where one has the date and the other the time: {role}={'+'.join(found)}"
            raise NewsError(
                f"{where}: {' and '.join(found)} could each be {role}: name one, as columns={{'{role}': '{found[0]}'}}"
                f", on the command line --columns {role}={found[0]}{both if role == 'published' else ''}"
            )
        renamed |= dict.fromkeys(found, role)
    return renamed


def joined_columns(columns: Iterable[Hashable], given: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the columns, of date and time, that `published` joins as `date+time`; none where it is one column."""
    name, names = (given or {}).get("published", ""), [str(column) for column in columns]
    parts = tuple(part.strip() for part in name.split("+"))
    return parts if len(parts) == 2 and name not in names and set(parts) <= set(names) else ()


def join_columns(table: pd.DataFrame, given: Mapping[str, str] | None) -> pd.DataFrame:
    """Return the table with the column that `joined_columns` names: a date where there is no time."""
    parts = joined_columns(table.columns, given)
    if not parts or given is None:
        return table
    date, time = (table[part] for part in parts)
    days = date.dt.strftime("%Y-%m-%d") if pd.api.types.is_datetime64_any_dtype(date) else date.astype(str).str.strip()
    clock = time.astype(str).str.strip()
    joined = days.where(time.isna() | (clock == ""), days + " " + clock).where(date.notna())
    return table.assign(**{given["published"]: joined})


def need_news_columns(columns: Iterable[Hashable], needed: Sequence[str], where: str) -> None:
    """Raise NewsError where a column is missing, naming those that are there and how to say which is which."""
    names = [str(column) for column in columns]
    missing = [role for role in needed if role not in names]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise NewsError(f"{where}: has the column {twice[0]} twice: drop or rename one")
    if missing:
        raise NewsError(
            f"{where}: has no column {', '.join(missing)} (it has {', '.join(names) or 'none'}): name the column that "
            f"holds it (--columns {','.join(f'{role}=NAME' for role in missing)}), or add it"
        )


def renaming_note(renamed: Mapping[str, str]) -> str:
    """Return one line that says what is read as what."""
    return ", ".join(f"{column!r} is read as {role}" for column, role in renamed.items())

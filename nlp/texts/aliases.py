"""Other names of an asset -> the one ticker that its prices go by."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from newsfolio.shared.tables import need_columns, read_table
from nlp.errors import NewsError

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
    _refuse_nameless(table, where)
    pairs = table[["alias", "asset"]].apply(lambda names: names.str.strip()).drop_duplicates()
    twice = pairs[pairs["alias"].duplicated(keep=False)]
    if len(twice):
        meant = ", ".join(twice.loc[twice["alias"] == twice["alias"].iloc[0], "asset"])
        raise NewsError(f"{where}: alias {twice['alias'].iloc[0]!r} stands for {meant}: keep one")
    return dict(zip(pairs["alias"], pairs["asset"], strict=True))


def _refuse_nameless(table: pd.DataFrame, where: str) -> None:
    for column in ("alias", "asset"):
        for row, name in enumerate(table[column], start=1):
            if not (isinstance(name, str) and name.strip()):
                raise NewsError(f"{where}: row {row}: {column} {name!r} is no name: write one or drop the row")

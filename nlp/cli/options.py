"""Options of the commands that read news, which mean the same in all of them."""

from typing import Annotated, Literal

import typer

Timezone = Annotated[str | None, typer.Option(help="Zone of publication times that name none.")]
Midnight = Annotated[
    Literal["auto", "time", "date"], typer.Option(help="Whether publication at exactly 0:00 is a time or a date.")
]
Columns = Annotated[str, typer.Option(help="Columns by other names: published=created_at,asset=ticker,text=title.")]

"""`newsfolio explain`: which words made a score."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

STRONGEST = 8  # words of one text that are shown


def explain(
    text: Annotated[str, typer.Argument(help="A text, or a file of texts: CSV, Parquet or JSONL with a column text.")],
    model: Annotated[str, typer.Option(help="A folder that a classifier was saved in, or one on the hub.")],
    out: Annotated[
        Path | None, typer.Option(help="Where to write the effect of every word: a table, or a page (.html).")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="The label that is explained; else the tone, or the likeliest.")
    ] = None,
    columns: Annotated[str, typer.Option(help="The column of texts by another name: text=title.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print words and figures as JSON.")] = False,
) -> None:
    """Show which words made the scores of texts: each score less the score without the word.

    Of a file it also says how far the strongest fifth of the words moves a score, beside words at random.
    """
    from newsfolio.shared.tables import write_table
    from newsfolio.shared.text_table import json_text
    from nlp.errors import NlpError
    from nlp.explain.page import write_explanation
    from nlp.explain.words import explain_scores, faithfulness
    from nlp.model.ensemble import load_classifier

    texts = _texts(text, columns)
    classifier = load_classifier(model)
    found = explain_scores(texts, classifier, label=label, progress=True)
    judged = None
    if len(texts) > 1 and label is None and found["effect"].notna().any():
        judged = faithfulness(texts, classifier, found)
    if out is not None and out.suffix == ".html":
        write_explanation(texts, found, out, model=model, note="" if judged is None else f"{judged}.")
    elif out is not None:
        write_table(found, out, NlpError)
    if as_json:
        figures = None if judged is None else vars(judged)
        words = found.astype(object).where(found.notna(), None).to_dict("records")
        typer.echo(json_text({"words": words, "faithfulness": figures}))
        return
    shown = [_shown(texts[0], found)] if len(texts) == 1 else []
    written = [] if out is None else [f"{len(found):,} words of {len(texts):,} texts written to {out}"]
    typer.echo("\n".join([*shown, *([] if judged is None else [str(judged)]), *written]))


def _texts(text: str, columns: str) -> list[str]:
    """The text itself, or those of the file that it names."""
    from newsfolio.shared.tables import READERS, need_columns, read_table
    from nlp.errors import NewsError
    from nlp.texts.columns import WORDS, parse_columns, understand_columns

    if Path(text).suffix not in READERS:
        return [text]
    named = parse_columns(columns)
    table, where = read_table(text, NewsError, words=(*WORDS, *named.values()))
    table = table.rename(columns=understand_columns(table.columns, named, where))
    need_columns(table, ("text",), where, NewsError)
    return [cell for cell in table["text"].dropna().astype(str).tolist() if cell.strip()]


def _shown(text: str, found: "pd.DataFrame") -> str:
    """The words of one text with the largest effects, in both directions."""
    from newsfolio.shared.text_table import text_table

    known = found.dropna(subset=["effect"])
    if known.empty:
        return f"no word to explain in {text[:60]!r}: it is empty, or of a script that the model cannot read"
    strongest = known.reindex(known["effect"].abs().sort_values(ascending=False, kind="stable").index)[:STRONGEST]
    rows = [(word, f"{effect:+.3f}") for word, effect in zip(strongest["word"], strongest["effect"], strict=True)]
    return text_table([("word", "effect"), *rows])

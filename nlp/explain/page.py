"""Explained texts as one HTML page: each word shaded by its effect."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from newsfolio.shared.atomic import write_text
from newsfolio.shared.page import render_page
from nlp.errors import NlpError

MOST_TEXTS, MOST_WORDS = 200, 40  # that a page shows
STRONGEST = 70.0  # percent of colour behind the word with the largest effect
LEAST = 2.0  # percent, below which no colour can be seen


def write_explanation(
    texts: Sequence[str], explained: pd.DataFrame, path: str | Path, *, model: str, note: str = ""
) -> Path:
    """Write the texts with their words shaded, and the strongest words, as one HTML file; at most 200 texts.

    explained: what `explain_scores` returned for the texts. note: a sentence that stands above them.

    Raises:
        NlpError: the file cannot be written.
    """
    known = explained.dropna(subset=["effect"])
    largest = float(known["effect"].abs().max()) if len(known) else 0.0
    shown = min(len(texts), MOST_TEXTS)
    of_text = {int(str(row)): words for row, words in known.groupby("row")}
    order = known["effect"].abs().sort_values(ascending=False, kind="stable").index[:MOST_WORDS]
    cut = []  # each text at its words, with their effect and how strongly they are shaded
    for row in range(shown):
        pieces, since = [], 0
        words = of_text.get(row, known[:0])
        for start, end, effect in words[["start", "end", "effect"]].itertuples(index=False):
            share = STRONGEST * abs(effect) / largest if largest else 0.0
            pieces.append({"words": texts[row][since:start], "effect": ""})
            pieces.append({
                "words": texts[row][start:end],
                "effect": f"{effect:+.3f}" if share >= LEAST else "",
                "side": "up" if effect > 0 else "down",
                "share": f"{share:.0f}",
            })  # fmt: skip
            since = end
        cut.append([*pieces, {"words": texts[row][since:], "effect": ""}])
    content = {
        "title": "What made the scores",
        "lead": [
            f"{shown:,} of {len(texts):,} texts, explained for {model}.",
            "Shaded blue are words that raise a score, orange ones that lower it; point at one to see by how much.",
            *([note] if note else []),
        ],
        "sections": [("texts", "Texts"), ("strongest", "Strongest words")],
        "texts": cut,
        "strongest": [
            [row.word, f"{row.effect:+.3f}", f"{int(str(row.row)) + 1:,}"] for row in known.loc[order].itertuples()
        ],
    }
    html = render_page("nlp.explain", "explain.html.jinja", content, style="explain.css")
    return write_text(html, path, NlpError)

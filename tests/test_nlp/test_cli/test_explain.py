"""`newsfolio explain` shows the words of a text, and judges those of a file."""

import json
import re

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from nlp.cli.explain import explain
from nlp.errors import ModelError, NewsError
from nlp.explain.words import explain_scores
from nlp.model.classifier import SentimentClassifier

TEXTS = ["net profit rises", "loss of the shares falls"]


def ran(*options):
    app = typer.Typer()
    app.command()(explain)
    result = CliRunner().invoke(app, list(options))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_a_text_is_explained_by_its_words(tiny_model, one_thread):
    lines = ran(TEXTS[0], "--model", str(tiny_model)).splitlines()
    assert lines[0].split() == ["word", "effect"]
    assert {line.split()[0] for line in lines[1:]} == {"net", "profit", "rises"}
    assert "no word to explain" in ran("...", "--model", str(tiny_model))


def test_a_file_is_explained_and_judged(tiny_model, one_thread, tmp_path):
    pd.DataFrame({"title": [*TEXTS, ""]}).to_csv(tmp_path / "news.csv", index=False)
    out = ran(str(tmp_path / "news.csv"), "--model", str(tiny_model), "--out", str(tmp_path / "words.parquet"))
    assert "2 texts: comprehensiveness" in out
    assert "8 words of 2 texts written to" in out
    expected = explain_scores(TEXTS, SentimentClassifier.load(tiny_model))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "words.parquet"), expected, check_dtype=False, atol=1e-6)


def test_a_page_shades_the_words_and_trusts_no_text(tiny_model, one_thread, tmp_path):
    pd.DataFrame({"text": [*TEXTS, "<script>alert('net')</script> profit"]}).to_csv(tmp_path / "news.csv", index=False)
    ran(str(tmp_path / "news.csv"), "--model", str(tiny_model), "--out", str(tmp_path / "words.html"))
    page = (tmp_path / "words.html").read_text()
    assert "<script>alert" not in page
    assert page.count('<p class="words">') == 3
    assert re.search(r'<span class="(up|down)" style="--share: 70%" title="[+-]0\.\d+">', page)  # the strongest word
    assert "3 texts: comprehensiveness" in page


def test_words_and_figures_as_json(tiny_model, one_thread, tmp_path):
    pd.DataFrame({"body": TEXTS}).to_csv(tmp_path / "news.csv", index=False)
    figures = json.loads(
        ran(str(tmp_path / "news.csv"), "--model", str(tiny_model), "--columns", "text=body", "--json")
    )
    assert [word["word"] for word in figures["words"]][:3] == ["net", "profit", "rises"]
    assert figures["faithfulness"]["texts"] == 2


def test_bad_input_is_one_line(tiny_model, one_thread, tmp_path):
    with pytest.raises(NewsError, match="no such file"):
        ran(str(tmp_path / "none.csv"), "--model", str(tiny_model))
    with pytest.raises(ModelError, match="'up' is no label of this classifier: use negative, neutral, positive"):
        ran(TEXTS[0], "--model", str(tiny_model), "--label", "up")

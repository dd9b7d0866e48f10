"""`newsfolio evaluate`: what it prints, what it writes, and what it refuses."""

import json

import pandas as pd
import pytest

from newsfolio.command.app import main

TONES = {"positive": "profit rises", "negative": "loss falls", "neutral": "shares of the net"}


def rows(letters):
    # Other words and not other numbers, as these would be near-duplicates.
    tails = [" ".join(letter * n for n in range(1, 5)) for letter in letters]
    return pd.DataFrame(
        [
            (f"{text} {tail}", label, 50 if label == "neutral" else 100)
            for tail in tails
            for label, text in TONES.items()
        ],
        columns=["text", "label", "agree"],
    )


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capsys, tiny_model):
    """Run `newsfolio evaluate` in a folder of good files; return exit code, output and errors."""
    rows("abcdefgh").to_csv(tmp_path / "test.csv", index=False)
    rows("hijklm").to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame({"word": ["profit", "loss"], "category": ["Positive", "Negative"]}).to_csv(
        tmp_path / "words.csv", index=False
    )
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", *(str(tiny_model) if word == "MODEL" else word for word in arguments)])
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


ALL = ("MODEL", "test.csv", "--against", "MODEL", "--train", "train.csv", "--word-list", "words.csv")


def test_the_table_names_models_and_baselines(evaluate):
    code, out, _ = evaluate(*ALL)
    assert code == 0
    for part in ("24 texts", "majority", "word list", "TF-IDF + logistic regression", "by agreement", "by length",
                 "McNemar", "fitted on 15 training texts; 3 more are near-duplicates of 3 of the 24 test texts",
                 "taken on trust"):  # fmt: skip
        assert part in " ".join(out.split())


def test_json_has_the_figures_at_the_top_and_the_rest_below(evaluate):
    code, out, _ = evaluate(*ALL, "--json", "--out", "pages")
    assert code == 0
    figures = json.loads(out)
    assert figures["page"].replace("\\", "/") == "pages/evaluation.html"
    assert figures["n"] == figures["groups"] == 24
    for name in ("accuracy", "macro_f1", "mcc", "brier", "ece"):
        low, high = figures[f"{name}_interval"]
        assert low <= figures[name] <= high
    assert set(figures["baselines"]) == {"majority", "word list", "TF-IDF + logistic regression"}
    assert figures["baselines"]["word list"]["accuracy"] == 1.0
    assert figures["comparison"]["accuracy"]["difference"] == 0.0
    assert set(figures["breakdown"]) == {"agree", "length"}
    assert figures["facts"]["fingerprint"] == figures["facts"]["fingerprint of the other model"]


def test_the_page_is_written(evaluate, tmp_path):
    code, out, _ = evaluate("MODEL", "test.csv", "--out", "pages")
    assert code == 0
    assert "written to" in out
    page = (tmp_path / "pages" / "evaluation.html").read_text(encoding="utf-8")
    assert "How good is" in page
    assert "SHA-256 of texts and labels" in page


def test_without_options_there_are_no_rivals(evaluate):
    figures = json.loads(evaluate("MODEL", "test.csv", "--json")[1])
    assert figures["baselines"] == {}
    assert figures["comparison"] is None


def test_a_test_of_one_label_says_what_is_undefined(evaluate, tmp_path):
    rows("abc").query("label == 'neutral'").to_csv(tmp_path / "test.csv", index=False)
    code, out, _ = evaluate("MODEL", "test.csv")
    assert code == 0
    assert "MCC is undefined" in out
    assert "Only 3 texts" in out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test.csv", "text,label\n", "test.csv: holds no labelled text"),
        ("test.csv", "text,label\n,neutral\n", "holds no labelled text"),
        ("test.csv", "text,label\na,neutral\nb,great\n", "row 2: label 'great' is no"),
        ("train.csv", "text,label\na b c d,neutral\n", "no training text is labelled negative, positive"),
        ("words.csv", "word,category\ngood,positive\n", "needs words of category negative and positive"),
    ],
)
def test_bad_input_is_named_in_one_line_and_nothing_is_written(evaluate, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    code, out, err = evaluate(*ALL, "--out", "pages")
    assert (code, out) == (1, "")
    assert message in err.splitlines()[-1]
    assert not (tmp_path / "pages").exists()


def test_training_on_the_test_texts_is_refused(evaluate):
    code, _, err = evaluate("MODEL", "test.csv", "--train", "test.csv")
    assert code == 1
    assert "all 24 training texts are near-duplicates of test texts" in err


def test_texts_that_are_missing_are_dropped_and_counted(evaluate, tmp_path, caplog):
    pd.concat([rows("abc"), pd.DataFrame({"text": [None], "label": ["neutral"]})]).to_csv("test.csv", index=False)
    code, out, _ = evaluate("MODEL", "test.csv")
    assert code == 0
    assert "9 texts" in out
    assert "without text" in caplog.text

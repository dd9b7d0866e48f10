"""`newsfolio score`: where it keeps scores, and what it says."""

import re
import sys

import numpy as np
import pandas as pd
import pytest

from newsfolio.command.app import main
from newsfolio.shared.tables import write_table
from nlp.scoring.store import ScoreStore, default_path

NEWS = pd.DataFrame({
    "published": pd.date_range("2020-01-01 10:00", periods=6, tz="UTC"),
    "asset": "AAA",
    "text": ["profit rises", "loss falls", "profit rises", "net sales", "said the shares", "loss falls"],
})  # fmt: skip


@pytest.fixture
def score(tmp_path, monkeypatch, capsys, tiny_model):
    """Run `newsfolio score` in a folder with news.csv and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_table(NEWS, tmp_path / "news.csv")

    def run(*more, news="news.csv", out="scored.csv"):
        with pytest.raises(SystemExit) as ended:
            main(["score", news, "--model", str(tiny_model), "--out", out, *more])
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_scores_are_kept_in_the_users_cache_and_found_again(score, tmp_path):
    code, out, err = score()
    assert (code, err) == (0, "")
    assert re.fullmatch(r"6 headlines scored, mean score [+-]0\.\d{3}; 4 texts computed; written to scored.csv\n", out)
    first = (tmp_path / "scored.csv").read_bytes()
    assert default_path().is_relative_to(tmp_path / "cache")
    assert default_path().is_file()
    code, out, err = score()
    assert (code, err) == (0, "")
    assert "; 0 texts computed;" in out
    assert (tmp_path / "scored.csv").read_bytes() == first


def test_the_place_can_be_chosen(score, tmp_path):
    score("--store", "mine.sqlite")
    assert (tmp_path / "mine.sqlite").is_file()
    assert not (tmp_path / "cache").exists()
    assert "; 0 texts computed;" in score("--store", "mine.sqlite")[1]


def test_without_a_store_nothing_is_kept(score, tmp_path):
    for _ in range(2):
        assert "; 4 texts computed;" in score("--no-store")[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["news.csv", "scored.csv"]


def test_a_cache_that_cannot_be_written_is_one_warning(score, tmp_path, caplog):
    (tmp_path / "cache").write_text("")
    code, out, _ = score()
    assert code == 0
    assert "; 4 texts computed;" in out
    (record,) = caplog.records
    assert "scores.sqlite: no store can be kept here" in record.getMessage()


def test_a_chosen_place_that_cannot_be_written_is_an_error(score, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = score("--store", "file/s")
    assert (code, out) == (1, "")
    assert err.startswith("error: file/s: no store can be kept here")
    assert err.count("\n") == 1
    assert not (tmp_path / "scored.csv").exists()


def test_a_file_that_is_no_store_is_an_error(score):
    code, _, err = score("--store", "news.csv")
    assert code == 1
    assert err.startswith("error: news.csv: is not a store of scores")


def test_a_store_and_none_exclude_each_other(score):
    code, _, err = score("--store", "s", "--no-store")
    assert code == 2
    assert "exclude each other" in err


def test_a_store_of_another_model_is_not_read(score, tmp_path):
    with ScoreStore(tmp_path / "s", "another model") as store:
        store.add(["net sales"], np.array([[1, 0, 0]], dtype=np.float32))
    score("--store", "s")
    assert (pd.read_csv(tmp_path / "scored.csv")["negative"] < 1).all()


def test_texts_alone_are_scored(score, tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"text": "profit"}\n{"text": "loss"}\n')
    assert score(news="texts.jsonl", out="scored.jsonl")[1].startswith("2 headlines scored")

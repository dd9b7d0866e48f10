"""News scored on two Ray nodes of this machine: as on one machine, also when a worker is killed in the middle."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import two_ray_nodes

from newsfolio.command.app import main
from newsfolio.shared.tables import write_table
from nlp.errors import ModelError, NewsError, NlpError
from nlp.scoring.ray.driver import score_on_ray
from nlp.scoring.ray.worker import Scorer
from nlp.scoring.stream import read as table_parts
from nlp.scoring.stream.score_file import score_file


def stub(*, killed=None, refused=None):
    """Return what loads a classifier; defined in here, so that it is sent to workers whole.

    killed: a file that is made by the worker that kills itself at its second part; the others live. refused: an error.
    """

    def load():
        import os
        import signal

        import numpy as np

        class Stub:
            fingerprint = "stub"
            training = None
            parts = 0

            def predict_proba(self, texts, **_):
                self.parts += 1
                if refused is not None:
                    raise refused
                if killed is not None and self.parts == 2 and not os.path.exists(killed):
                    open(killed, "x").close()
                    os.kill(os.getpid(), signal.SIGKILL)
                raw = np.array([[len(t) % 7 + 1, sum(map(ord, t)) % 5 + 1, 2] for t in texts], dtype=np.float32)
                return raw / raw.sum(axis=1, keepdims=True)

        return Stub()

    return load


def news(count):
    """Out of order, with repeats of rows and of texts, and rows without a text."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame({
        "published": pd.date_range("2020-01-01 10:00", periods=count, freq="7h", tz="UTC")[random.permutation(count)],
        "asset": random.choice(["AAA", "NA"], count),
        "text": [f"profit rises {n % 31} %" for n in range(count)],
        "x": random.standard_normal(count),
    })  # fmt: skip
    return pd.concat([rows, rows[:5], rows[:2].assign(text=" ")])


@pytest.fixture
def on_two_nodes(tmp_path, monkeypatch):
    """Score the same news on one machine and on two nodes, in parts of ten rows."""
    address = two_ray_nodes.address()
    monkeypatch.setattr(table_parts, "PART_ROWS", 10)
    path = write_table(news(100), tmp_path / "news.csv")
    single = score_file(path, tmp_path / "one.parquet", stub()())

    def score(load):
        report = score_on_ray(path, tmp_path / "out", Scorer(load), address=address)
        assert (report.rows, report.empty, report.repeats, report.scored) == (107, 2, 5, 100)
        assert report.mean_score == pytest.approx(single.mean_score, abs=1e-12)
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "out"), pd.read_parquet(tmp_path / "one.parquet"), check_exact=True
        )
        return report

    return score


def test_two_nodes_write_what_one_machine_writes(on_two_nodes, tmp_path):
    assert on_two_nodes(stub()).computed == 100  # each text is there at most once in a part
    assert json.loads((tmp_path / "out" / "_scored.json").read_text()) == {"parts": 10, "rows": 100, "model": "stub"}
    assert len(list((tmp_path / "out").iterdir())) == 11


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_changes_nothing(on_two_nodes, tmp_path):
    on_two_nodes(stub(killed=str(tmp_path / "killed")))
    assert (tmp_path / "killed").exists()
    assert len(list((tmp_path / "out").iterdir())) == 11
    assert on_two_nodes(stub(refused=ZeroDivisionError())).computed == 0  # all parts are there


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ModelError("no weights"), ModelError, "no weights"),
        (ZeroDivisionError("by zero"), NlpError, "Ray: ZeroDivisionError: by zero: parts that are whole stay"),
    ],
)
def test_what_goes_wrong_on_a_worker_is_one_line_here(on_two_nodes, error, kind, message):
    with pytest.raises(NlpError) as told:
        on_two_nodes(stub(refused=error))
    assert type(told.value) is kind
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)


@pytest.mark.slow
def test_a_bad_row_is_named_by_its_place(on_two_nodes, tmp_path):
    rows = news(100).astype({"published": str})
    rows.iloc[80, 0] = "yesterday"
    write_table(rows, tmp_path / "news.csv")
    with pytest.raises(NewsError, match=r"news.csv: row 81: published 'yesterday' is not a time"):
        on_two_nodes(stub())
    assert not (tmp_path / "out" / "_scored.json").exists()


@pytest.mark.slow
def test_the_command_writes_what_it_writes_alone(tmp_path, tiny_model, capsys):
    address = two_ray_nodes.address()
    write_table(news(100), tmp_path / "news.csv")
    for out, more in (("one.parquet", []), ("out", ["--ray", address])):
        with pytest.raises(SystemExit) as ended:
            main([
                "score", str(tmp_path / "news.csv"), "--model", str(tiny_model), "--out", str(tmp_path / out),
                "--store", str(tmp_path / f"{out}.sqlite"), *more,
            ])  # fmt: skip
        assert not ended.value.code, capsys.readouterr().err
        assert "100 headlines scored" in capsys.readouterr().out
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "out"), pd.read_parquet(tmp_path / "one.parquet"), check_exact=True
    )


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(NlpError, match=r'Ray is not installed: pip install "newsfolio\[ray\]"'):
        score_on_ray(write_table(news(4), tmp_path / "n.csv"), tmp_path / "out", Scorer(stub()), address="auto")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:10001", "somewhere"])
def test_where_no_cluster_answers_it_is_said(tmp_path, address):
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.raises(NlpError, match=f"no Ray cluster answers at {address} .*: start one with"):
        score_on_ray(write_table(news(4), tmp_path / "n.csv"), tmp_path / "out", Scorer(stub()), address=address)

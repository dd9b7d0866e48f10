"""The page of an operator, followed word by word: its settings, then each of its commands as it stands there."""

import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

PAGE = Path(__file__).parents[4] / "docs" / "nights.md"
FOLDER = "/var/lib/newsfolio"


@pytest.fixture(scope="module")
def page():
    if not PAGE.exists():
        pytest.skip("the page is not beside the tests")
    return PAGE.read_text(encoding="utf-8")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def test_every_command_of_the_page_does_what_it_says(command, folder, at, page, tiny_model):
    (settings,) = blocks(page, "toml")
    (folder / "night.toml").write_text(settings)
    pd.read_csv(folder / "bars.csv").replace("BBB", "FB").to_csv(folder / "prices.csv", index=False)
    news = pd.read_csv(folder / "news.csv", dtype=str).replace("BBB", "FB")
    news.assign(published=news["published"].str.replace("15:00", "15:01")).to_csv(folder / "news.csv", index=False)
    shutil.copytree(tiny_model, folder / "model")
    (folder / "book.sqlite").unlink()
    at("2022-11-21 22:35")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert len(lines) == 9
    said = {}
    for line in lines:
        name, *words = shlex.split(line.replace(FOLDER, str(folder)), comments=True)
        assert name == "newsfolio"
        code, out, err = command(" ".join(words))
        assert (code, err) == (0, ""), (line, out, err)
        said[" ".join(words).replace(f" --settings {folder}/night.toml", "")] = out
    assert said["account open"] == "opened at paper with 100,000.00 in cash\n"
    assert {line.split()[0] for line in said["rebalance --check"].splitlines()} == {"ok"}
    assert "decided (dry run: nothing is kept or sent)" in said["rebalance --dry-run"]
    assert said["rebalance"].startswith("2022-11-21 decided\n")
    assert "last run 2022-11-21: done" in said["status"]
    assert "wrong" not in said["status"]
    assert said["history nav"].splitlines()[0] == "session,nav,cash"
    assert said["account rename FB META"] == "FB is META: 0.0000 shares\n"

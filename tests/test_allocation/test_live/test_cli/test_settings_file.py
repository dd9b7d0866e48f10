"""A settings file says what a command line would; the command line wins, and what is no setting is refused."""

import json
import sys

import pytest
from live_support import market

from allocation import write_bars
from allocation.live import open_account, open_ledger
from newsfolio.command.app import main

DAY = "2022-09-20"
WHOLE = f"""
strategy = "strategy.py"
ledger = "book.sqlite"
prices = "bars.csv"
date = {DAY}
cash = 50000
cost-bp = 5.0
max-weight = 0.3
allow = ["late", "clock"]
json = true
"""


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    write_bars(market(), tmp_path / "bars.csv")
    (tmp_path / "strategy.py").write_text(
        "from allocation import EqualWeight\n\ndef policy():\n    return EqualWeight()\n"
    )
    (tmp_path / "night.toml").write_text(WHOLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    for name, cash in (("book", 50_000.0), ("other", 50_000.0), ("second", 70_000.0)):
        with open_ledger(f"{name}.sqlite", create=True) as ledger:
            open_account(ledger, cash)

    def run(line):
        with pytest.raises(SystemExit) as ended:
            main(line.split())
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_a_file_says_what_the_command_line_would(command):
    code, out, err = command("rebalance --settings night.toml")
    assert (code, err) == (0, "")
    line = "rebalance strategy.py --ledger other.sqlite --prices bars.csv --date 2022-09-20 --cost-bp 5"
    expected = command(f"{line} --max-weight 0.3 --allow late --allow clock --json")
    assert json.loads(out) == json.loads(expected[1])
    assert json.loads(out)["cash"] == 50_000.0


def test_the_command_line_wins(command, tmp_path):
    code, out, _ = command("rebalance --settings night.toml --ledger second.sqlite")
    assert (code, json.loads(out)["nav"]) == (0, 70_000.0)
    assert command("rebalance --settings night.toml --max-weight 0.2 --ledger second.sqlite --date 2022-09-21")[0] == 3


def test_status_takes_the_same_file(command):
    command("rebalance --settings night.toml")
    code, out, _ = command("status --settings night.toml")
    assert (code, json.loads(out)["decision"]) == (1, DAY)  # 1: nothing ran since


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "cash-bp = 5",
            "night.toml, line 1: 'cash-bp' is no setting: did you mean cash?",
        ),
        ("settings = 'more.toml'", "'settings' is no setting"),
        ("\nmax_wieght = 5", "night.toml, line 2: 'max_wieght' is no setting: did you mean max-weight?"),
        (
            "rhubarb = 5",
            "'rhubarb' is no setting: the settings are allow, allow-jump, broker, calendar, cash,",
        ),
        ("cost-bp = 5\ncost_bp = 5", "night.toml, line 2: cost-bp is set twice: keep one"),
        ("lot = 1\n\nmax-weight = 'much'", "night.toml, line 3: max-weight: Input should be a valid number"),
        ("[guards]\nmax-weight = 0.2", "'guards' is no setting"),
        ("cash = true", "cash: True is not a text or a number"),
        ("cash = [1]", r"cash: [1] is not a text or a number"),
        ("dry-run = 1", "dry-run: 1 is not true or false"),
        ("allow = 'late'", "allow: 'late' is not a list of texts"),
        ("cash = ", "night.toml: is not TOML: Invalid value (at line 1, column 8)"),
    ],
)
@pytest.mark.parametrize("name", ["rebalance", "status"])
def test_what_is_no_setting_is_refused_in_one_line(command, tmp_path, name, text, complaint):
    (tmp_path / "night.toml").write_text(text + "\n")
    code, out, err = command(f"{name} --settings night.toml --ledger book.sqlite")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert complaint in err


def test_a_file_that_is_not_there_is_told_of(command):
    assert (
        command("rebalance --settings none.toml")[2] == "error: none.toml: cannot be read: No such file or directory\n"
    )


def test_the_hook_of_the_environment_hears_of_a_file_that_is_broken(command, tmp_path, monkeypatch):
    """It is the only one that can: the file names all others."""
    monkeypatch.setenv(
        "NEWSFOLIO_ON_FAILURE", f"{sys.executable} -c \"import sys;open('told','w').write(sys.argv[-1])\""
    )
    (tmp_path / "night.toml").write_text("cash = ")
    assert command("status --settings night.toml")[0] == 1
    assert not (tmp_path / "told").exists()
    assert command("rebalance --settings night.toml")[0] == 1
    assert (tmp_path / "told").read_text().startswith("newsfolio: night.toml: is not TOML")


def test_paths_start_at_the_files_folder(command, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    code, out, err = command("rebalance --settings ../night.toml")
    assert (code, err) == (0, "")
    assert json.loads(out)["decided"] == "now"
    assert command("status --settings ../night.toml")[1].startswith("{")


def test_an_underscore_is_a_dash(command, tmp_path):
    (tmp_path / "night.toml").write_text(WHOLE.replace("max-weight = 0.3", "max_weight = 0.2"))
    code, _, err = command("rebalance --settings night.toml")
    assert code == 3
    assert "the limit is 20%" in err


def test_an_account_is_opened_by_the_same_file(command, tmp_path):
    code, out, _ = command("account open --settings night.toml --ledger new.sqlite")
    assert (code, out) == (0, "opened at paper with 50,000.00 in cash\n")
    assert command("account open --settings night.toml --ledger new.sqlite")[0] == 1
    assert command("account deposit 500 --settings night.toml --ledger new.sqlite")[1] == "500.00 paid in\n"

"""A folder with all that a night needs, the command that runs in it, its clock, and a broker's account."""

import sys

import pandas as pd
import pytest
from fake_alpaca import KEYS, Exchange, serving
from live_support import SESSIONS, market, open_account_at_broker

from allocation import write_bars
from allocation.live import open_account, open_ledger
from newsfolio.command.app import main

STRATEGY = "from allocation import EqualWeight\n\ndef policy():\n    return EqualWeight()\n"
BARS = market()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_bars(BARS, tmp_path / "bars.csv")
    (BARS.close * 0.0 + 0.2).to_csv(tmp_path / "signal.csv")
    published = SESSIONS.tz_localize("UTC") + pd.Timedelta(hours=15)
    rows = [(day, asset, f"{asset} said {n}", 0.1) for n, day in enumerate(published) for asset in BARS.close]
    news = pd.DataFrame(rows, columns=["published", "asset", "text", "score"])
    news.to_csv(tmp_path / "scored.csv", index=False)
    news.drop(columns="score").to_csv(tmp_path / "news.csv", index=False)
    (tmp_path / "strategy.py").write_text(STRATEGY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("book.sqlite", "other.sqlite"):
        with open_ledger(name, create=True) as ledger:
            open_account(ledger, 100_000.0)
    return tmp_path


@pytest.fixture
def command(folder, capsys):
    def run(line, *more):
        with pytest.raises(SystemExit) as ended:
            main([*line.split(), *more])
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


@pytest.fixture
def at(monkeypatch):
    """Set the clock that the command reads."""
    return lambda moment: monkeypatch.setattr("allocation.live.clock.utc_now", lambda: pd.Timestamp(moment, tz="UTC"))


@pytest.fixture
def alpaca(folder, monkeypatch):
    prices = BARS.close.loc["2022-09-20"].to_dict()
    exchange = Exchange(prices=prices, now="2022-09-20T20:35:00Z")
    monkeypatch.setattr("allocation.live.brokers.alpaca.MOST_WAIT", 0.01)
    with serving(exchange) as url:
        for name, value in zip(("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"), KEYS, strict=True):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("APCA_API_BASE_URL", url)
        open_account_at_broker("broker.sqlite")
        yield exchange

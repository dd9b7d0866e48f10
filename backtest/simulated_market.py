"""A simulated market with a planted signal: what the demo runs on and what tests measure skill against.

Nothing here is real. Each session some companies have news of a certain tone. The tone moves the price in
its own session and, a little and fading, in the sessions after; how much is known, since it is planted.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from newsfolio.shared.arrays import FloatArray
from newsfolio.shared.calendars import exchange_hours

COMPANIES = {
    "Technology": {"QBIT": "Quillbit", "NOVX": "Novarex Systems"},
    "Health": {"HELV": "Helvion Labs", "SANQ": "Sanquera"},
    "Energy": {"PETR": "Petravale", "WNDR": "Windermoor Power"},
    "Consumer": {"TAVO": "Tavola Brands", "LUMI": "Lumicasa"},
    "Finance": {"FIDU": "Fiducient Bank", "ASUR": "Asuranza"},
    "Industry": {"KRAN": "Kranwerk", "AERO": "Aerolith"},
}
TONES = ("negative", "neutral", "positive")


@dataclass(frozen=True)
class MarketConfig:
    """How the market is made; volatilities are per session, `half_life` in sessions.

    information_coefficient: correlation of the planted tone at one close with the idiosyncratic return of
    the next session. same_session: correlation of a session's news with that session's own return.
    """

    start: str = "2021-01-04"
    end: str = "2023-12-29"
    seed: int = 7
    information_coefficient: float = 0.06
    same_session: float = 0.15
    half_life: float = 3.0
    headlines_per_session: float = 0.45
    market_volatility: float = 0.009
    sector_volatility: float = 0.006
    idiosyncratic_volatility: float = 0.015
    degrees_of_freedom: float = 4.0

    def __post_init__(self) -> None:
        """Refuse what no market can be made of."""
        volatilities = self.market_volatility, self.sector_volatility, self.idiosyncratic_volatility
        explained = self.information_coefficient**2 + self.same_session**2
        checks = {
            "start must not lie after end": pd.Timestamp(self.start) <= pd.Timestamp(self.end),
            "the squared correlations must sum to less than 1": explained < 1.0,
            "half_life must be > 0": self.half_life > 0,
            "headlines_per_session must be > 0": self.headlines_per_session > 0,
            "degrees_of_freedom must be > 2, or the variance is infinite": self.degrees_of_freedom > 2,
            "volatilities must be >= 0": min(volatilities) >= 0,
        }
        broken = [rule for rule, holds in checks.items() if not holds]
        if broken:
            raise AllocationError(f"no market from {self}: {'; '.join(broken)}")


@dataclass(frozen=True)
class Market:
    """Simulated prices and headlines, and the truth behind them.

    prices and opens (sessions × assets); headlines (published in UTC, asset, text, tone: the planted one);
    tone (sessions × assets): the decayed tone known at each close, unit variance; idiosyncratic: the part
    of each session's return that is the company's own; closes: the instant in UTC at which each session ends.
    """

    config: MarketConfig
    prices: pd.DataFrame
    opens: pd.DataFrame
    headlines: pd.DataFrame
    tone: pd.DataFrame
    idiosyncratic: pd.DataFrame
    sectors: pd.Series
    closes: pd.Series


def simulate_market(config: MarketConfig | None = None) -> Market:
    """Make a market; the same config gives the same market to the last bit."""
    config = MarketConfig() if config is None else config
    random = np.random.default_rng(config.seed)
    start, end = pd.Timestamp(config.start), pd.Timestamp(config.end)
    hours = exchange_hours("XNYS", start, end)
    inside = hours.sessions.slice_indexer(start, end)
    sessions = hours.sessions[inside].rename("date")
    closes = hours.closes[inside.start - 1 : inside.stop]  # one more, of the session before the first
    names = {ticker: name for group in COMPANIES.values() for ticker, name in group.items()}
    sectors = pd.Series({ticker: sector for sector, group in COMPANIES.items() for ticker in group}).sort_index()
    news = _news(random, len(sessions), len(sectors), config)
    fresh = np.zeros((len(sessions), len(sectors)))
    np.add.at(fresh, (news["row"].to_numpy(), news["column"].to_numpy()), news["tone"].to_numpy() - 1.0)
    tone, state = np.zeros_like(fresh), np.zeros(fresh.shape[1])
    for row, arrived in enumerate(fresh):
        state = 0.5 ** (1.0 / config.half_life) * state + arrived
        tone[row] = state
    tone = tone / tone.std()
    idiosyncratic, common = _returns(random, fresh, tone, sectors, config)
    returns = np.maximum(idiosyncratic + common, -0.5)
    # The open lies a random third of the session's move and some noise from the last close.
    first = random.uniform(20.0, 200.0, len(sectors))
    prices = first * np.cumprod(1.0 + returns, axis=0)
    share = random.uniform(0.1, 0.5, returns.shape)
    moved = 1.0 + share * returns + 0.002 * random.standard_normal(returns.shape)
    opens = np.vstack([first, prices[:-1]]) * moved
    return Market(
        config=config,
        prices=pd.DataFrame(prices, sessions, sectors.index).round(4),
        opens=pd.DataFrame(opens, sessions, sectors.index).round(4),
        headlines=_headlines(random, news, sessions, closes, sectors, names),
        tone=pd.DataFrame(tone, sessions, sectors.index),
        idiosyncratic=pd.DataFrame(idiosyncratic, sessions, sectors.index),
        sectors=sectors,
        closes=pd.Series(closes[1:], index=sessions),
    )


def _news(random: np.random.Generator, n_sessions: int, n_assets: int, config: MarketConfig) -> pd.DataFrame:
    """One row per headline: the session that it is known in, the asset, and a tone 0, 1 or 2."""
    counts = random.poisson(config.headlines_per_session, (n_sessions, n_assets))
    row, column = np.nonzero(counts)
    repeats = counts[row, column]
    story = random.choice(3, len(row), p=(0.3, 0.4, 0.3)).repeat(repeats)
    row, column = row.repeat(repeats), column.repeat(repeats)
    agrees = random.random(len(row)) < 0.8  # most headlines of one day tell the same story
    return pd.DataFrame({"row": row, "column": column, "tone": np.where(agrees, story, random.choice(3, len(row)))})


def _returns(
    random: np.random.Generator, fresh: FloatArray, tone: FloatArray, sectors: pd.Series, config: MarketConfig
) -> tuple[FloatArray, FloatArray]:
    """Company returns, and those of market and sectors with a small premium to the market; all have fat tails.

    Noise, reaction to the session's news and planted part have unit variance before they are weighted, and the weights
    are correlations: r[t] = sd × (ic × tone[t-1] + same × news[t] + sqrt(1 - ic² - same²) × noise[t]).
    """
    dof, ic, same = config.degrees_of_freedom, config.information_coefficient, config.same_session
    unit, n = np.sqrt(dof / (dof - 2.0)), len(fresh)
    noise = random.standard_t(dof, fresh.shape) / unit
    planted = np.vstack([np.zeros(fresh.shape[1]), tone[:-1]])
    reaction = fresh / fresh.std()
    spread = config.idiosyncratic_volatility * random.uniform(0.7, 1.3, fresh.shape[1])
    own = spread * (ic * planted + same * reaction + np.sqrt(1.0 - ic**2 - same**2) * noise)
    market = 0.06 / 252 + config.market_volatility * random.standard_t(dof, (n, 1)) / unit
    codes, labels = pd.factorize(sectors)
    sector = config.sector_volatility * random.standard_t(dof, (n, len(labels))) / unit
    beta = random.uniform(0.8, 1.2, len(sectors))
    return np.asarray(own), np.asarray(market * beta + sector[:, codes])


def _headlines(
    random: np.random.Generator,
    news: pd.DataFrame,
    sessions: pd.DatetimeIndex,
    closes: pd.DatetimeIndex,
    sectors: pd.Series,
    names: dict[str, str],
) -> pd.DataFrame:
    """Write each news row as a headline published after the close before its session and before its own.

    Most news comes just after a close, before an open or during the session; little at night. A moment is drawn as
    hours before the close of the session it is known in, and drawn again uniformly within the whole span since the
    close before where it would fall outside.
    """
    rows, tickers = news["row"].to_numpy(), sectors.index.to_numpy()[news["column"]]
    patterns = json.loads((files("backtest") / "data" / "market_patterns.json").read_text(encoding="utf-8"))
    texts = [
        _write(random, patterns, TONES[tone], names[ticker], sectors[ticker], sessions[row])
        for row, ticker, tone in zip(rows, tickers, news["tone"], strict=True)
    ]
    centre = np.array([-22.5, -8.0, -3.0])[random.choice(3, len(rows), p=(0.35, 0.35, 0.30))]
    seconds = 3600.0 * (centre + np.array(1.2) * random.standard_normal(len(rows)))
    span = (closes[1:] - closes[:-1]).total_seconds().to_numpy()[rows]
    outside = (seconds <= -span) | (seconds > -60.0)
    seconds = np.where(outside, -60.0 - random.random(len(rows)) * (span - 120.0), seconds)
    headlines = pd.DataFrame(
        {
            "published": (closes[rows + 1] + pd.to_timedelta(seconds.round(), unit="s")).floor("s"),
            "asset": tickers,
            "text": texts,
            "tone": [TONES[tone] for tone in news["tone"]],
        }
    )
    return headlines.sort_values(["published", "asset", "text"], ignore_index=True)


def _write(
    random: np.random.Generator, patterns: Any, tone: str, company: str, sector: str, session: pd.Timestamp
) -> str:
    slots = patterns["slots"]
    percent, amount = random.uniform(1.2, 9.0), random.uniform(2.0, 400.0)

    def pick(options: list[str]) -> str:
        return options[random.integers(len(options))]

    return pick(patterns[tone]).format(
        company=company,
        product=pick(slots["product"][sector]),
        region=pick(slots["region"]),
        broker=pick(slots["broker"]),
        person=pick(slots["person"]),
        percent=f"{percent:.1f}",
        more_percent=f"{percent * random.uniform(1.3, 3.0):.1f}",
        amount=f"{amount:.1f}",
        more_amount=f"{amount * random.uniform(1.3, 3.0):.1f}",
        year=str(session.year),
        quarter=("first", "second", "third", "fourth")[session.quarter - 1] + "-quarter",
    )

"""judge_warnings(): what a risk forecast, and the news in it, were worth, beside rivals and placebos."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from textwrap import wrap

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.frames import Bars
from allocation.risk.garch import GarchVolatility
from allocation.risk.news_volatility import NewsVolatility
from allocation.risk.volatility import HarVolatility
from backtest.statistics.significance import LEVEL, holm
from backtest.warning.alarms import AlarmFigures, alarms_at, judge_alarms
from backtest.warning.outcomes import KINDS, WarningEvent, log_returns, probabilities
from backtest.warning.scores import Comparison, Losses, ProbabilityFigures, judge_probabilities, variance_losses
from backtest.warning.today import NO_NEWS, alarm_table, risk_path
from newsfolio.shared.arrays import BoolArray
from newsfolio.shared.text_table import text_table

FEWEST_SESSIONS = 400  # HAR, its level and a year of probabilities before the first that is judged
STALE = 21  # sessions by which news is moved at least
NEWS, HAR, EWMA60 = "news", "har", "ewma60"
OTHERS_NEWS = "another asset's news"
Rows = list[tuple[str, ...]]  # the cells of a table, its header first


@dataclass(frozen=True)
class WarningStudy:
    """What forecasts and alarms were worth; prints itself.

    losses: QLIKE on range variances; squared: the same on squared returns. against: Diebold-Mariano of HAR against each
    rival, and of news against HAR, with p-values adjusted by Holm. placebo_gains: of news of another asset and of news
    moved in time, by kind. probabilities: by kind of event and forecaster. alarms: of the news forecast, of prices
    alone, and of a placebo. raised: one row per alarm of the news forecast with what came of it.
    """

    event: WarningEvent
    sessions: pd.DatetimeIndex
    assets: tuple[str, ...]
    losses: Losses
    squared: Losses
    against: Mapping[str, Comparison]
    news: Comparison
    placebo_gains: Mapping[str, tuple[float, ...]]
    coefficients: pd.DataFrame
    probabilities: Mapping[str, Mapping[str, ProbabilityFigures]]
    alarms: Mapping[str, AlarmFigures]
    raised: pd.DataFrame
    risk: pd.DataFrame
    alarms_per_year: float
    notes: tuple[str, ...] = field(default=())

    @property
    def tests(self) -> dict[str, float]:
        """P-value of each test after Holm's adjustment."""
        names = [*self.against, "news"]
        p = np.array([each.p for each in (*self.against.values(), self.news)])
        return dict(zip(names, holm(p).tolist(), strict=True))

    @property
    def placebo_gain(self) -> float:
        """Mean gain of all placebos; 0 without news."""
        gains = [gain for kind in self.placebo_gains.values() for gain in kind]
        return float(np.mean(gains)) if gains else 0.0

    @property
    def has_news(self) -> bool:
        """Whether any feature ever had a coefficient."""
        return bool((self.coefficients.to_numpy() != 0.0).any())

    @property
    def news_given(self) -> bool:
        """Whether there were features; without them all figures of news are those of prices alone, and not printed."""
        return len(self.coefficients.columns) > 0

    @property
    def lead(self) -> tuple[str, ...]:
        """What the forecast, the news (where some was given) and the alarms were worth, a sentence each."""
        gain, t = 1.0 - self.losses.mean(HAR) / self.losses.mean(EWMA60), self.against[EWMA60].t
        where, chance = "below" if gain > 0 else "above", "" if self.tests[EWMA60] < LEVEL else ": no more than chance"
        forecast = (
            f"HAR's QLIKE over the next {self.event.horizon} sessions is {abs(gain):.1%} {where} that of EWMA 60 "
            f"(t {t:.1f}){chance}."
        )

        gain, best = self.news.gain, max((max(each) for each in self.placebo_gains.values()), default=0.0)
        figures = f"QLIKE {gain:+.2%}, t {self.news.t:.1f}, placebos {self.placebo_gain:+.2%}"
        if not self.has_news:
            news = "News adds nothing: no feature had a coefficient that past sessions support (|t| >= 2)."
        elif self.news.t >= 2.0 and gain > best and self.tests["news"] < LEVEL:
            news = f"News adds to HAR: {figures}."
        else:
            news = f"News adds nothing that its placebos or chance do not: {figures}."

        mine, (low, high) = self.alarms[NEWS], self.alarms[NEWS].precision_interval
        alarms = (
            f"At {mine.per_asset_year:.1f} alarms an asset and year {mine.precision:.1%} were right (95 % {low:.1%} to "
            f"{high:.1%}), against a base rate of {mine.base_rate:.1%}"
        )
        alarms += f"; prices alone: {self.alarms['prices'].precision:.1%}." if self.has_news else "."
        if not mine.alarms:
            alarms = "No alarm was raised: there is nothing to judge."
        return (forecast, news, alarms) if self.news_given else (forecast, alarms)

    def _shown(self, names: Iterable[str]) -> list[str]:
        """The rows that are printed: without news none that is of news."""
        return [name for name in names if self.news_given or name not in (NEWS, OTHERS_NEWS)]

    def __str__(self) -> str:
        """Tables of at most a hundred columns."""
        return self.to_text()

    def to_text(self) -> str:
        """Return the study as text: sentences, and tables of forecasts, probabilities and alarms."""
        span = f"{self.sessions[0].date()} to {self.sessions[-1].date()}, {len(self.sessions):,} sessions × "
        lead = (line for sentence in self.lead for line in wrap(sentence, 100))
        parts = [*lead, "", f"{span}{len(self.assets):,} assets", f"warned of: {self.event}"]
        for title, rows in self.tables():
            parts += ["", title, text_table(rows)]
        notes = (line for note in self.notes for line in wrap(f"note: {note}", 100))
        return "\n".join([*parts, "", *notes]).rstrip()

    def tables(self) -> list[tuple[str, Rows]]:
        """Return the tables, the header of each first; those of news only where some was given."""
        forecasts: Rows = [("", "QLIKE", "of EWMA 60", "R2 of logs", "t", "p", "QLIKE, squared returns")]
        base, adjusted = self.losses.mean(EWMA60), self.tests
        for name in self._shown(self.losses.by):
            qlike, other = self.losses.mean(name), self.against.get(name)
            t, p = ("", "") if other is None else (f"{other.t:+.1f}", f"{adjusted[name]:.3f}")
            r2, squared = f"{self.losses.r2[name]:.3f}", f"{self.squared.mean(name):.3f}"
            forecasts.append((name, f"{qlike:.4f}", f"{qlike / base - 1:+.1%}", r2, t, p, squared))

        chances: Rows = [("", "", "base rate", "Brier", "skill", "ECE", "AUROC", "avg precision")]
        for kind, by in self.probabilities.items():
            for name in self._shown(by):
                each = by[name]
                figures = (each.base_rate, each.brier, each.brier_skill, each.ece, each.auroc, each.average_precision)
                forms = (".2%", ".4f", ".1%", ".4f", ".3f", ".3f")
                chances.append((kind, name, *(format(v, form) for v, form in zip(figures, forms, strict=True))))

        alarms: Rows = [("", "a year", "precision", "interval", "base", "lift", "recall", "lead", "usefulness")]
        for name in self._shown(self.alarms):
            raised = self.alarms[name]
            low, high = raised.precision_interval
            alarms.append((
                name, f"{raised.per_asset_year:.2f}", f"{raised.precision:.1%}", f"{low:.1%} {high:.1%}",
                f"{raised.base_rate:.2%}", f"{raised.lift:.1f}", f"{raised.recall:.1%}", f"{raised.lead_sessions:.1f}",
                f"{raised.usefulness:+.2f}",
            ))  # fmt: skip
        return [
            (f"Forecasts on {self.losses.n:,} cells (t > 0: HAR is better; p after Holm)", forecasts),
            *(self._news_tables() if self.news_given else []),
            ("Probabilities", chances),
            (f"Alarms, at most {self.alarms_per_year:g} an asset and year, with 95 % intervals", alarms),
        ]

    def _news_tables(self) -> list[tuple[str, Rows]]:
        """What news gains beside its placebos, and what a standard deviation of each feature adds where it is used."""
        low, high = self.news.interval
        p = f"{self.tests['news']:.3f}"
        gains: Rows = [
            ("", "QLIKE lower by", "from", "to", "t", "p"),
            ("news", *(f"{each:+.2%}" for each in (self.news.gain, low, high)), f"{self.news.t:+.1f}", p),
        ]
        for kind, placebos in self.placebo_gains.items():
            spread = (f"{each:+.2%}" for each in (np.mean(placebos), min(placebos), max(placebos)))
            gains.append((f"placebo: {kind}", *spread, "", ""))

        coefficients: Rows = [("", "mean where used", "used, of time")]
        for name, each in self.coefficients.items():
            used = each[each != 0.0]
            mean = f"{used.mean():+.3f}" if len(used) else "0"
            coefficients.append((str(name), mean, f"{len(used) / len(each):.0%}"))
        return [("News in the forecast", gains), ("Coefficients of the news", coefficients)]

    def to_dict(self) -> dict[str, object]:
        """Return all figures as nested mappings of plain values, ready for JSON."""
        names, horizon = list(self.losses.by), self.event.horizon
        gains = [gain for kind in self.placebo_gains.values() for gain in kind]
        return {
            "lead": list(self.lead),
            "event": str(self.event),
            "sessions": len(self.sessions),
            "first": str(self.sessions[0].date()),
            "last": str(self.sessions[-1].date()),
            "assets": len(self.assets),
            "volatility": {
                "n": self.losses.n,
                "horizon": horizon,
                "qlike": {name: self.losses.mean(name) for name in names},
                "qlike_interval": {name: list(self.losses.interval(name, horizon)) for name in names},
                "qlike_squared_returns": {name: self.squared.mean(name) for name in names},
                "r2": {name: float(self.losses.r2[name]) for name in names},
                "har_against": {
                    name: {"gain": each.gain, "gain_interval": list(each.interval), "t": each.t, "p": each.p,
                           "holm": self.tests[name]}
                    for name, each in self.against.items()
                },
            },
            "news": {
                "qlike_gain": self.news.gain,
                "qlike_gain_interval": list(self.news.interval),
                "t": self.news.t,
                "p": self.news.p,
                "holm": self.tests["news"],
                "placebo_gain": self.placebo_gain,
                "placebo_gain_interval": [min(gains), max(gains)] if gains else [0.0, 0.0],
                "coefficients": {name: float(self.coefficients[name].mean()) for name in self.coefficients.columns},
            },
            "probabilities": {
                kind: {name: each.to_dict() for name, each in by.items()} for kind, by in self.probabilities.items()
            },
            "alarms": self.alarms[NEWS].to_dict() | {"by": {k: v.to_dict() for k, v in self.alarms.items()}},
            "notes": list(self.notes),
        }  # fmt: skip


def judge_warnings(
    bars: Bars,
    features: Mapping[str, pd.DataFrame] | None = None,
    *,
    model: NewsVolatility | None = None,
    event: WarningEvent | None = None,
    rivals: Mapping[str, pd.DataFrame] | None = None,
    alarms_per_year: float = 2.0,
    placebos: int = 3,
    seed: int = 0,
) -> WarningStudy:
    """Judge volatility forecasts, probabilities and alarms walk-forward on the history of `bars`.

    features: news by name (sessions × assets), row t known at the close of t; they replace those of `model`. rivals:
    further volatility forecasts (per session, sessions × assets, row t known at t), such as `index_volatility` makes
    of VIX. placebos: draws of each kind. All forecasters are judged on the same cells.

    Raises:
        AllocationError: there are too few sessions to judge anything, or a number makes no sense.
    """
    if len(bars.close) < FEWEST_SESSIONS:
        raise AllocationError(
            f"{len(bars.close)} sessions cannot be judged: give at least {FEWEST_SESSIONS}: the first serve to fit"
        )
    if placebos < 1 or not alarms_per_year > 0.0:
        raise AllocationError(f"placebos is {placebos}, alarms_per_year {alarms_per_year:g}: both must be above 0")
    event, model = event or WarningEvent(), model or NewsVolatility()
    features = dict(model.features if features is None else features)
    base = HarVolatility(horizon=event.horizon) if model.base.horizon != event.horizon else model.base
    news = NewsVolatility(base, features, model.prior_sd)
    forecasts = {HAR: base.path(bars), NEWS: news.path(bars), **_rivals(bars, event.horizon), **(rivals or {})}
    losses = variance_losses(forecasts, bars, event.horizon)
    gains, placebo = _placebos(news, bars, forecasts, placebos, seed)
    judged = {HAR: forecasts[HAR], NEWS: forecasts[NEWS], EWMA60: forecasts[EWMA60]}
    figures, alarms, raised = _warnings(judged, placebo, bars, event, alarms_per_year, seed)
    return WarningStudy(
        event=event,
        sessions=pd.DatetimeIndex(bars.close.index),
        assets=tuple(bars.close.columns),
        losses=losses,
        squared=variance_losses(forecasts, bars, event.horizon, squared_returns=True),
        against={each: losses.compare(HAR, each, event.horizon) for each in forecasts if each not in (HAR, NEWS)},
        news=losses.compare(NEWS, HAR, event.horizon),
        placebo_gains=gains,
        coefficients=news.coefficients(bars),
        probabilities=figures,
        alarms=alarms,
        raised=raised,
        risk=risk_path(forecasts[NEWS], bars),
        alarms_per_year=alarms_per_year,
        notes=tuple(_notes(bars, features, losses)),
    )


def index_volatility(annual: pd.Series, bars: Bars) -> pd.DataFrame:
    """Return volatility forecasts of assets from an index of volatility such as VIX (percent a year, by session).

    Each asset's variance is that of the index times the asset's past ratio of squared returns to it (504 sessions).
    Row t is of the index at t: it must be known at the close of t. A session without a value keeps the one before.
    """
    index = (annual.sort_index().reindex(bars.close.index, method="ffill") / 100.0) ** 2 / 252.0
    squares = log_returns(bars.close) ** 2
    ratio = squares.rolling(504, min_periods=60).mean().div(index.rolling(504, min_periods=60).mean(), axis=0)
    scaled: pd.DataFrame = ratio.mul(index, axis=0) ** 0.5
    return scaled


def _rivals(bars: Bars, horizon: int) -> dict[str, pd.DataFrame]:
    squares = log_returns(bars.close) ** 2
    return {
        EWMA60: squares.ewm(halflife=60, min_periods=60).mean() ** 0.5,
        "ewma11": squares.ewm(halflife=11, min_periods=60).mean() ** 0.5,
        "sample252": squares.rolling(252, min_periods=120).mean() ** 0.5,
        "garch": GarchVolatility(horizon).path(bars),
    }


def _placebos(
    news: NewsVolatility, bars: Bars, forecasts: Mapping[str, pd.DataFrame], draws: int, seed: int
) -> tuple[dict[str, tuple[float, ...]], pd.DataFrame]:
    """QLIKE gains of news that cannot help, by kind, and the last forecast of another asset's news."""
    if not news.features:
        return {}, forecasts[HAR]
    random, gains, path = np.random.default_rng(seed), dict[str, tuple[float, ...]](), forecasts[HAR]
    for kind in ("moved in time", OTHERS_NEWS):
        found = []
        for _ in range(draws):
            shift = int(random.integers(STALE, max(len(bars.close) - STALE, STALE + 1)))
            turned = np.roll(np.arange(bars.close.shape[1]), 1 + int(random.integers(max(bars.close.shape[1] - 1, 1))))
            moved = {}
            for name, frame in news.features.items():
                values = frame.reindex_like(bars.close).to_numpy()
                values = np.roll(values, shift, axis=0) if kind == "moved in time" else values[:, turned]
                moved[name] = pd.DataFrame(values, bars.close.index, bars.close.columns)
            path = NewsVolatility(news.base, moved, news.prior_sd).path(bars)
            losses = variance_losses({HAR: forecasts[HAR], NEWS: path}, bars, news.base.horizon)
            found.append(1.0 - losses.mean(NEWS) / losses.mean(HAR))
        gains[kind] = tuple(found)
    return gains, path


def _warnings(
    forecasts: Mapping[str, pd.DataFrame],
    placebo: pd.DataFrame,
    bars: Bars,
    event: WarningEvent,
    per_year: float,
    seed: int,
) -> tuple[dict[str, dict[str, ProbabilityFigures]], dict[str, AlarmFigures], pd.DataFrame]:
    figures: dict[str, dict[str, ProbabilityFigures]] = {}
    for kind in (event.kind, *(each for each in KINDS if each != event.kind)):
        each = WarningEvent(kind, event.horizon, event.sigmas)
        came = each.outcomes(bars.close)[0]
        values = {name: probabilities(path, bars, each).to_numpy() for name, path in forecasts.items()}
        known = np.logical_and.reduce([np.isfinite(p) for p in values.values()])
        figures[kind] = {name: judge_probabilities(p, came, known) for name, p in values.items()}
    came, after = event.outcomes(bars.close)
    paths = {NEWS: forecasts[NEWS], "prices": forecasts[HAR], OTHERS_NEWS: placebo}
    made = {name: probabilities(path, bars, event) for name, path in paths.items()}
    alarmed = {name: alarms_at(p, per_year, event.horizon) for name, p in made.items()}
    # Half a year after the first probabilities an alarm could be raised.
    begun: BoolArray = np.logical_and.reduce([np.isfinite(each.to_numpy()) for each in made.values()])
    first = int(begun.any(axis=1).argmax()) if begun.any() else len(begun)
    begun[: first + 126] = False
    alarms = {
        name: judge_alarms(each.to_numpy(), came, after, begun, event.horizon, seed) for name, each in alarmed.items()
    }
    return figures, alarms, alarm_table(alarmed[NEWS], made[NEWS], forecasts[NEWS], bars, event)


def _notes(bars: Bars, features: Mapping[str, pd.DataFrame], losses: Losses) -> list[str]:
    notes = []
    if bars.high is None or bars.low is None:
        notes.append("no highs and lows are known: forecasts and target are of closes alone, with far more noise")
    if not features:
        notes.append(NO_NEWS)
    elif bars.close.shape[1] < 2:
        notes.append("one asset has no other's news: that placebo is its own news")
    if losses.n < 1000:
        notes.append(f"{losses.n} cells are few: read the intervals")
    return notes

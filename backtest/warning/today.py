"""risk_today(): what is to be expected of each asset now, why, and what came of the last alarms."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from allocation.frames import Bars
from allocation.risk.news_volatility import NewsVolatility
from backtest.warning.alarms import YEAR, alarms_at
from backtest.warning.outcomes import WarningEvent, log_returns, probabilities, usual_volatility
from newsfolio.shared.arrays import FloatArray
from newsfolio.shared.text_table import printable, text_table

ANNUAL = np.sqrt(252.0)
MOST_HEADLINES = 3
RECENT = 5  # sessions whose headlines are evidence
WIDE = 36  # letters of a reason in a table of text
MOST_ALARMS = 10
NO_NEWS = "no news was given, and no events: the forecast is that of prices alone"


@dataclass(frozen=True)
class RiskToday:
    """The risk of each asset at the close of `session`; prints itself.

    table (by asset): volatility and usual, a year's; probability of the event; base_rate, its share in the past; alarm;
    why, in words. NaN where an asset's history is too short. alarms: the last ones of all, with what came of them.
    """

    session: pd.Timestamp
    event: WarningEvent
    table: pd.DataFrame
    alarms: pd.DataFrame
    risk: pd.DataFrame
    base_rate: float
    notes: tuple[str, ...]

    @property
    def alarmed(self) -> list[str]:
        """Assets with an alarm at this close."""
        return self.table.index[self.table["alarm"].to_numpy(dtype=bool)].tolist()

    @property
    def lead(self) -> tuple[str, ...]:
        """The market, and who has an alarm."""
        forecast, usual = self.table["volatility"].mean(), self.table["usual"].mean()
        ratio = forecast / usual
        market = f"Volatility of {forecast:.1%} a year is expected of the average asset, {ratio:.2f} times the usual."
        if not np.isfinite(forecast):
            market = "No volatility can be forecast yet: histories are too short."
        alarmed = self.alarmed
        names = ", ".join(alarmed[:10]) + (f" and {len(alarmed) - 10} more" if len(alarmed) > 10 else "")
        return market, f"Alarm: {names}." if alarmed else "No alarm."

    def __str__(self) -> str:
        """Sentences, the table by falling probability, and the last alarms; at most a hundred columns."""
        return self.to_text()

    def to_text(self, most: int = 25) -> str:
        """Return it as text, of the `most` likely assets alone."""
        ordered = self.table.sort_values("probability", ascending=False)
        rows = [("", "volatility", "usual", "probability", "base rate", "alarm", "why"), *_rows(ordered.head(most))]
        left = len(ordered) - most
        parts = [*self.lead, "", f"{self.session.date()}: {self.event}", "", text_table(rows)]
        parts += [f"and {left} assets of less probability"] if left > 0 else []
        if len(self.alarms):
            past = [("last alarms", "asset", "probability", "what came"), *alarm_rows(self.alarms.tail(MOST_ALARMS))]
            parts += ["", text_table(past)]
        return "\n".join([*parts, *(line for note in self.notes for line in wrap(f"note: {note}", 100))])

    def to_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        alarms = self.alarms.tail(MOST_ALARMS).assign(session=lambda rows: rows["session"].dt.strftime("%Y-%m-%d"))
        return {
            "session": f"{self.session:%Y-%m-%d}",
            "event": str(self.event),
            "base_rate": self.base_rate,
            "market": {
                "volatility": float(self.table["volatility"].mean()),
                "usual": float(self.table["usual"].mean()),
                "probability": float(self.table["probability"].mean()),
                "alarms": len(self.alarmed),
            },
            "alarm": self.alarmed,
            "assets": self.table.to_dict(orient="index"),
            "last_alarms": alarms.to_dict(orient="records"),
            "notes": list(self.notes),
        }


def _rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        (
            str(asset),
            *(f"{row[name]:.1%}" for name in ("volatility", "usual")),
            *(f"{row[name]:.2%}" for name in ("probability", "base_rate")),
            "ALARM" if row["alarm"] else "",
            why if len(why := printable(row["why"])) <= WIDE else f"{why[: WIDE - 1]}…",
        )
        for asset, row in table.iterrows()
    ]


def alarm_rows(alarms: pd.DataFrame) -> list[tuple[str, ...]]:
    """Alarms as cells of text: session, asset, probability, what came of it."""
    rows: list[dict[str, Any]] = alarms.to_dict(orient="records")  # type: ignore[assignment]
    return [
        (
            f"{row['session']:%Y-%m-%d}",
            str(row["asset"]),
            f"{row['probability']:.1%}",
            row["outcome"] if np.isnan(row["after"]) else f"{row['outcome']} in session {row['after']:.0f} after",
        )
        for row in rows
    ]


def risk_today(
    bars: Bars,
    model: NewsVolatility,
    event: WarningEvent,
    *,
    alarms_per_year: float = 2.0,
    headlines: pd.DataFrame | None = None,
) -> RiskToday:
    """Return the risk of each asset as known at the last close of `bars`.

    headlines: rows of session (at whose close it is known), asset, text and, where known, score; those of the five
    sessions before are named as evidence, the latest and most negative first.
    """
    path = model.path(bars)
    probability, came = probabilities(path, bars, event), event.outcomes(bars.close)[0]
    known = np.isfinite(came)
    base = float(came[known].mean()) if known.any() else float("nan")
    raised = alarms_at(probability, alarms_per_year, event.horizon)
    usual = usual_volatility(bars.close)
    table = pd.DataFrame(
        {
            "volatility": path.iloc[-1] * ANNUAL,
            "usual": usual.iloc[-1] * ANNUAL,
            "probability": probability.iloc[-1],
            "base_rate": base,
            "alarm": raised.iloc[-1],
        }
    )
    evidence = _evidence(bars, model, headlines)
    table["why"] = [evidence.why(len(path) - 1, column) for column in range(path.shape[1])]
    alarms = alarm_table(raised, probability, path, bars, event)
    alarms["why"] = [evidence.why(*map(int, place)) for place in np.argwhere(raised.to_numpy())]
    short = int(path.iloc[-1].isna().sum())
    notes = [] if model.features else [NO_NEWS]
    if short:
        notes.append(f"{short} of {path.shape[1]} assets have no forecast: too few sessions, no price now, or no move")
    spent = raised.tail(YEAR).sum() >= alarms_per_year
    if spent.any():
        notes.append(
            f"{int(spent.sum())} of {path.shape[1]} assets had their {alarms_per_year:g} alarms in the last {YEAR} "
            "sessions: no more is raised for them now"
        )
    if not np.isfinite(table["probability"]).any():
        notes.append("no probability is known yet: it needs some 400 sessions of prices, and events among them")
    return RiskToday(
        session=bars.close.index[-1],
        event=event,
        table=table,
        alarms=alarms,
        risk=risk_path(path, bars),
        base_rate=base,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Evidence:
    """What was known at each close: moves, what news adds to the forecast, headlines."""

    returns: FloatArray
    usual: FloatArray
    added: Mapping[str, FloatArray]
    headlines: Mapping[tuple[str, int], list[str]]
    assets: pd.Index

    def why(self, row: int, column: int) -> str:
        """The reasons of one asset and session, in words."""
        words, last = [], self.returns[row, column]
        if abs(last) > 2.0 * self.usual[row, column]:
            words.append(f"moved {last:+.1%}")
        shares = {name: float(np.expm1(0.5 * values[row, column])) for name, values in self.added.items()}
        words += [f"{name} {share:+.0%}" for name, share in shares.items() if abs(share) >= 0.01]
        asset = str(self.assets[column])
        recent = (text for back in range(RECENT) for text in self.headlines.get((asset, row - back), ()))
        return "; ".join([*words, *islice(recent, MOST_HEADLINES)])


def _evidence(bars: Bars, model: NewsVolatility, headlines: pd.DataFrame | None) -> _Evidence:
    texts = dict[tuple[str, int], list[str]]()
    if headlines is not None:
        rows = bars.close.index.get_indexer(pd.DatetimeIndex(headlines["session"]))
        known = headlines.assign(row=rows)[rows >= 0]
        if "score" in known.columns:
            known = known.sort_values("score", kind="stable")
        for row, asset, text in zip(known["row"], known["asset"], known["text"], strict=True):
            texts.setdefault((str(asset), int(row)), []).append(" ".join(str(text).split()))
    return _Evidence(
        returns=log_returns(bars.close).to_numpy(),
        usual=usual_volatility(bars.close).to_numpy(),
        added={name: frame.to_numpy() for name, frame in model.contributions(bars).items()},
        headlines=texts,
        assets=bars.close.columns,
    )


def alarm_table(
    raised: pd.DataFrame, probability: pd.DataFrame, volatility: pd.DataFrame, bars: Bars, event: WarningEvent
) -> pd.DataFrame:
    """Return one row per alarm, newest last: session, asset, probability, volatility, usual, outcome, after.

    Volatilities are a year's. outcome: came, did not come, or open where the horizon is not over.
    """
    came, after = event.outcomes(bars.close)
    usual = usual_volatility(bars.close).to_numpy()
    rows, columns = np.nonzero(raised.to_numpy())
    words = np.where(np.isnan(came), "open", np.where(came == 1.0, "came", "did not come"))
    return pd.DataFrame(
        {
            "session": raised.index[rows],
            "asset": raised.columns[columns],
            "probability": probability.to_numpy()[rows, columns],
            "volatility": volatility.to_numpy()[rows, columns] * ANNUAL,
            "usual": usual[rows, columns] * ANNUAL,
            "outcome": words[rows, columns],
            "after": after[rows, columns],
        }
    )


def risk_path(volatility: pd.DataFrame, bars: Bars) -> pd.DataFrame:
    """Return forecast, realised (22 sessions) and usual volatility of the average asset, a year's, by session."""
    means = {
        "forecast": volatility.mean(axis=1),
        "realised": (log_returns(bars.close) ** 2).mean(axis=1).rolling(22).mean() ** 0.5,
        "usual": usual_volatility(bars.close).mean(axis=1),
    }
    return pd.DataFrame({name: ANNUAL * values for name, values in means.items()})

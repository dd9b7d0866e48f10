"""Headlines -> what they report: one row per headline and kind of event, with the words that show it."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]

from newsfolio.shared.tables import need_columns
from nlp.errors import NewsError
from nlp.events.due import due_from
from nlp.events.rules import EVENT_KINDS, Rule, event_rules, matching
from nlp.signals.sessions import assign_session
from nlp.texts.headlines import known_flags

COLUMNS = ("published", "asset", "text", "event", "known", "due", "start", "end", "rule")
UNDUE = ("results", "guidance", "rating", "macro")


def find_events(headlines: pd.DataFrame, *, calendar: str = "XNYS") -> pd.DataFrame:
    """Return the events that headlines report, in the order of the headlines: one row for each and kind of event.

    headlines: rows with published (UTC), asset, text and optionally time_known, as `read_headlines` returns them.
    Columns: published, asset, text; event, one of `EVENT_KINDS`; known, the session at whose close the headline is
    known (`assign_session`); due, the session at whose close will be known what it announces (`due_session`), NaT where
    it names no day; start and end, the characters text[start:end] that show the event; rule, by which it was found. The
    index numbers the headlines from 0 as they are given, so that those without an event are the numbers it lacks.

    A headline may report several kinds, each at most once. Nothing but the headline itself is read: what is due
    is known from its publication on. Of kinds other than results-to-come only what is due after the session `known` is
    given, and none of results, guidance, rating and macro: a day in their texts is that of something else.

    Raises:
        NewsError: a column is missing, a text is none, or as `assign_session`.
    """
    need_columns(headlines, COLUMNS[:3], "headlines", NewsError)
    rows = headlines.reset_index(drop=True)
    known = assign_session(rows["published"], calendar, time_known=rows.get("time_known"))
    code, texts = pd.factorize(rows["text"])
    if (code < 0).any():
        raise NewsError(f"row {int(np.flatnonzero(code < 0)[0]) + 1}: has no text: see read_headlines")
    unique = pd.Series(texts, dtype=object)
    cells, taken = pa.array(unique, type=pa.large_string()), {kind: np.zeros(len(texts), bool) for kind in EVENT_KINDS}
    found = pd.concat([_by_rule(rule, cells, unique, taken) for rule in event_rules()], ignore_index=True)
    found = found.sort_values("code", kind="stable", ignore_index=True)
    shown = pd.DataFrame({"headline": np.arange(len(rows)), "code": code}).merge(found, on="code")
    row, event = shown.pop("headline").to_numpy(), shown["event"].to_numpy()

    due = np.full(len(row), np.datetime64("NaT"), dtype=known.to_numpy().dtype)
    open_ended = ~np.isin(event, UNDUE)
    asked, back = np.unique(row[open_ended], return_inverse=True)
    if len(asked):
        timed = known_flags(rows["time_known"], len(rows)) if "time_known" in rows.columns else np.ones(len(rows), bool)
        published = pd.DatetimeIndex(rows["published"])[asked].tz_convert("UTC")
        sessions = due_from(published, known[asked], rows["text"].iloc[asked], calendar, timed[asked])
        due[open_ended] = sessions.to_numpy()[back]
    # Of a day such as `today` the other kinds mostly say that it has happened.
    stale = (event != "results-to-come") & (due <= known.to_numpy()[row])
    due = np.where(stale, np.datetime64("NaT"), due)

    events = rows.loc[row, ["published", "asset", "text"]].rename_axis("headline")
    columns = shown.assign(known=known[row], due=pd.DatetimeIndex(due)).set_index(events.index)
    return pd.concat([events, columns], axis=1)[list(COLUMNS)]


def _by_rule(rule: Rule, cells: pa.Array, texts: pd.Series, taken: dict[str, np.ndarray]) -> pd.DataFrame:
    """The texts in which one rule finds an event that no rule before it found."""
    matched = matching(cells, rule.pattern) & ~taken[rule.event]
    for kind in rule.before:
        matched &= ~taken[kind]
    place = np.flatnonzero(matched)
    if rule.unless and len(place):
        place = place[~matching(cells.take(pa.array(place)), rule.unless)]
    search = re.compile(rule.pattern, re.IGNORECASE | re.ASCII).search
    spans = {row: found.span() for row in place if (found := search(texts[row]))}  # RE2 alone folds Unicode's case
    place = np.array(list(spans), dtype=np.int64)
    taken[rule.event][place] = True
    starts, ends = np.array(list(spans.values()), dtype=np.int64).reshape(-1, 2).T
    return pd.DataFrame({"code": place, "event": rule.event, "start": starts, "end": ends, "rule": rule.name})

"""Rows that are no sessions, sessions without rows, and assets that end early: named, counted, with what helps."""

import exchange_calendars
import numpy as np
import pandas as pd
import pytest

from allocation.data.sessions import check_sessions, ends_note


def closes(days, assets="AB"):
    return pd.DataFrame(10.0, index=pd.DatetimeIndex(days), columns=list(assets))


def sessions_of(calendar, start="2021-01-04", end="2021-12-31"):
    return exchange_calendars.get_calendar(calendar, start=start, end=end).sessions


@pytest.mark.parametrize("calendar", ["XNYS", "XLON", "XTKS", "24/7"])
def test_the_sessions_of_the_calendar_itself_are_all_right(calendar):
    met = check_sessions(closes(sessions_of(calendar)), calendar)
    assert (met.problem, met.note, met.missing, len(met.outside)) == (None, None, 0, 0)


@pytest.mark.parametrize("rows", ["XLON", "XTKS", "24/7", "24/5"])
def test_rows_of_another_market_name_its_calendar(rows):
    days = pd.date_range("2021-01-04", "2021-12-31", freq="B") if rows == "24/5" else sessions_of(rows)
    met = check_sessions(closes(days))
    assert met.problem.endswith(f": pass --calendar {rows}")
    assert f"{len(met.outside)} of {len(days)} rows are not sessions of XNYS" in met.problem
    again = check_sessions(closes(days), rows)
    assert again.problem is None
    assert not len(again.outside)


def test_assets_that_trade_on_weekends_are_named_where_others_do_not():
    table = closes(pd.date_range("2021-01-04", "2021-12-31"))
    table.loc[~table.index.isin(sessions_of("XNYS")), "A"] = np.nan
    problem = check_sessions(table).problem
    assert problem.endswith("pass --calendar 24/7, or leave out B (--assets)")
    assert "(Sat 2021-01-09, Sun 2021-01-10," in problem


def test_a_row_that_no_calendar_has_is_named():
    days = sessions_of("XNYS")
    holiday = check_sessions(closes(days.union(pd.DatetimeIndex(["2021-07-05"]))))
    assert holiday.problem is None
    assert holiday.note == "1 of 253 rows are not sessions of XNYS (Mon 2021-07-05)"
    saturday = check_sessions(closes(days.union(pd.DatetimeIndex(["2021-07-10"]))))
    assert saturday.problem.endswith("(Sat 2021-07-10): leave these rows out of the file")


def test_gaps_are_counted_and_a_long_one_is_refused():
    days = sessions_of("XNYS")
    assert check_sessions(closes(days.delete([50, 90, 91, 92, 93]))).note is None
    week = check_sessions(closes(days.delete(range(50, 58))))
    assert week.problem is None
    assert week.note == (
        f"8 sessions of XNYS have no row, the longest gap is of 8, between {days[49].date()} and {days[58].date()}"
    )
    quarter = days.delete(range(100, 170))
    assert check_sessions(closes(quarter)).note is None
    problem = check_sessions(closes(quarter)).problem
    assert problem.endswith(f"begin after it with --start {days[170].date()}, or add the missing rows")
    assert check_sessions(closes(quarter[quarter >= days[170]])).problem is None


@pytest.mark.parametrize(("rule", "a_year"), [("W-MON", 52), ("W-FRI", 52), ("MS", 12), ("ME", 12), ("QE", 4)])
def test_weekly_and_monthly_rows_are_held_against_no_calendar(rule, a_year):
    met = check_sessions(closes(pd.date_range("2015-01-01", "2021-12-31", freq=rule)))
    assert (met.a_year, met.problem, met.note) == (a_year, None, None)


def test_assets_that_end_early_are_counted():
    table = closes(sessions_of("XNYS"), "ABCDE")
    assert ends_note(table) is None
    table.loc["2021-12-15":, ["B"]] = np.nan
    assert ends_note(table) == (
        "1 of 5 assets end before the last row, 2021-12-31 (B on 2021-12-14): where they were delisted, state what "
        "holders received (--delistings FILE)"
    )
    table.loc["2021-12-15":, ["C", "D"]] = np.nan
    assert ends_note(table) == "3 of 5 assets end on 2021-12-14, the last row is 2021-12-31: pass --end 2021-12-14"
    assert ends_note(table.loc[:"2021-12-14"]) is None

"""Hours of exchanges, against exchange_calendars itself."""

import exchange_calendars
import pandas as pd
import pytest

from newsfolio.shared.calendars import beyond_record, exchange_hours

DAY = pd.Timestamp("2021-06-15")


@pytest.mark.parametrize("name", ["XNYS", "XLON", "XTKS", "24/7"])
def test_hours_are_those_of_the_exchange(name):
    exchange = exchange_calendars.get_calendar(name, start="2020-01-01", end="2022-12-31")
    hours = exchange_hours(name, DAY, DAY)
    assert list(hours.sessions) == list(exchange.sessions)
    assert list(hours.opens) == list(exchange.opens)
    assert list(hours.closes) == list(exchange.closes)
    assert (hours.zone, hours.weekmask) == (str(exchange.tz), exchange.weekmask)


def test_a_year_is_built_once():
    assert exchange_hours("XNYS", DAY, DAY) is exchange_hours("XNYS", pd.Timestamp("2021-01-04"), DAY)


def test_an_unknown_calendar_raises_what_was_asked_for():
    class OwnError(ValueError):
        pass

    with pytest.raises(OwnError, match="calendar 'MARS' is not known to exchange_calendars: use XNYS"):
        exchange_hours("MARS", DAY, DAY, error=OwnError)


def test_hours_end_with_the_record_which_is_said():
    last = exchange_calendars.get_calendar("XSHG").bound_max()
    assert exchange_hours("XSHG", last, last).last == last
    far = last + pd.DateOffset(years=3)
    hours = exchange_hours("XSHG", far, far)
    assert hours.last == last
    assert hours.sessions[-1] <= last
    assert "install a newer exchange-calendars" in beyond_record("XSHG", last)


def test_after_the_record_weekdays_have_the_usual_hours():
    last = exchange_calendars.get_calendar("XSHG").bound_max()
    hours = exchange_hours("XSHG+weekdays", last, last)
    after = hours.sessions > last
    assert set(hours.sessions[after].day_of_week) == {0, 1, 2, 3, 4}
    local = hours.closes[after].tz_convert(hours.zone)
    assert set(local.strftime("%H:%M")) == {"15:00"}
    assert (hours.opens < hours.closes).all()
    assert hours.sessions.is_monotonic_increasing

"""What a log may say: one line per event, no control character, no secret."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.live.monitor.log import HIDDEN, event_stream, log_event, redacted


@pytest.mark.parametrize("as_json", [False, True])
@given(ticker=st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.just("A\x1b[2J\r\nB\x7f\x9b1m"))
def test_an_event_is_one_line_of_printable_letters(ticker, as_json):
    stream = io.StringIO()
    with event_stream(stream, as_json=as_json):
        log_event("sent", {"asset": ticker})
    said = stream.getvalue()
    assert said.endswith("\n")
    assert said[:-1].isprintable()


def test_a_secret_is_hidden_as_json_writes_it(monkeypatch):
    monkeypatch.setenv("PGPASSWORD", 'a"b\\é')
    assert redacted(json.dumps({"why": 'x a"b\\é'})) == json.dumps({"why": f"x {HIDDEN}"})

"""Events of headlines: which kind, shown by which words; and the table of rules itself."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.errors import NewsError
from nlp.events.find import COLUMNS, find_events
from nlp.events.rules import EVENT_KINDS, event_rules

# Wording of our own, one or two of each kind.
TEXTS = {
    "Acme posts record quarterly profit": "results",
    "Acme Q3 EPS $0.31 beats $0.28 estimate": "results",
    "Acme to report second-quarter results on Thursday": "results-to-come",
    "Acme earnings preview: what matters": "results-to-come",
    "Acme cuts full-year outlook": "guidance",
    "Acme sees 2015 revenue of $3 bln": "guidance",
    "Acme to acquire Widget Works for $2 bln": "merger",
    "Acme in talks to buy rival's pump unit": "merger",
    "Fund raises stake in Acme to 9 pct": "stake",
    "Acme lifts quarterly dividend by a tenth": "dividend",
    "Acme announces $1 bln share buyback": "buyback",
    "Acme sets 3-for-1 stock split": "split",
    "Acme sells $2 bln of notes": "offering",
    "Judge dismisses shareholder lawsuit against Acme": "legal",
    "Acme unveils electric tractor": "product",
    "Acme names new finance chief": "management",
    "Broker downgrades Acme to neutral": "rating",
    "Supplier of Acme files for bankruptcy": "insolvency",
    "Fed minutes and payrolls in view": "macro",
}
NOTHING = ("Acme is a company", "I like $ACME", "Acme staff plant trees", "Hello")


def headlines(texts, published="2014-10-14 14:00"):
    times = pd.DatetimeIndex([published] * len(texts), tz="UTC")
    return pd.DataFrame({"published": times, "asset": "ACME", "text": list(texts)})


def test_each_kind_is_found_by_its_words():
    found = find_events(headlines(TEXTS))
    kinds = found.groupby("text")["event"].agg(set).to_dict()
    assert {text: kinds.get(text, set()) for text in TEXTS} == {text: {kind} for text, kind in TEXTS.items()}
    assert list(found.columns) == list(COLUMNS)
    assert set(TEXTS.values()) == set(EVENT_KINDS)


def test_texts_without_an_event_are_the_numbers_that_are_missing():
    found = find_events(headlines([*NOTHING, *TEXTS]))
    assert set(range(len(NOTHING) + len(TEXTS))) - set(found.index) == set(range(len(NOTHING)))


def test_a_headline_may_report_several_kinds_each_once():
    found = find_events(headlines(["Acme profit rises, raises dividend, announces share buyback and another buyback"]))
    assert sorted(found["event"]) == ["buyback", "dividend", "results"]
    assert (found.index == 0).all()


def test_the_span_is_what_the_rule_found():
    found = find_events(headlines(TEXTS))
    rules = {(rule.event, rule.name): rule for rule in event_rules()}
    for row in found.itertuples():
        pattern = rules[row.event, row.rule].pattern
        assert re.fullmatch(pattern, row.text[row.start : row.end], re.IGNORECASE | re.ASCII), row
    assert len(found) >= len(TEXTS)


def test_what_falls_due_is_given_where_the_headline_announces_it():
    found = find_events(
        headlines(
            [
                "Acme to report results on Thursday",
                "Acme profit rises; results next on Thursday",
                "Acme to unveil tractor on Thursday",
                "Acme unveils tractor today",
                "Acme reports results today",
            ]
        )
    ).set_index("text", append=True)["due"]
    due = {text: None if pd.isna(day) else f"{day:%d}" for (_, text), day in found.items()}
    assert due["Acme to report results on Thursday"] == "16"
    assert due["Acme to unveil tractor on Thursday"] == "16"
    assert due["Acme unveils tractor today"] is None
    assert due["Acme reports results today"] == "14"


@pytest.fixture(scope="module")
def alone():
    return {text: found_in([text])[0] for text in [*TEXTS, *NOTHING]}


def found_in(texts):
    """For each text what is found in it."""
    found = find_events(headlines(texts))
    rows = found[["event", "due", "start", "end", "rule"]].astype(str).agg(tuple, axis=1)
    return [list(rows[rows.index == place]) for place in range(len(texts))]


@settings(max_examples=8)  # each compiles all the rules
@given(order=st.permutations([*TEXTS, *NOTHING, *list(TEXTS)[:3]]))
def test_no_headline_changes_what_is_found_in_another(alone, order):
    assert found_in(order) == [alone[text] for text in order]


def test_letters_that_only_one_engine_folds_are_no_error():
    strange = ["Acme \u017fues Widget", "Acme \u017fplits it\u017f \u017ftoc\u212a", "Acme\vto acquire\vWidget"]
    assert 0 in find_events(headlines(["Acme to acquire W", *strange])).index


@settings(max_examples=6)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), min_size=1, max_size=30))
def test_any_text_can_be_read(texts):
    words = ["to report results on ", "10/", "sues ", "Q3 EPS $", "32 October "]
    found = find_events(headlines([word + text for text in texts for word in words]))
    assert ((found["start"] >= 0) & (found["end"] > found["start"]) & (found["end"] <= found["text"].str.len())).all()
    assert (found["due"].isna() | (found["due"] >= found["known"])).all()


def test_no_headline_no_event():
    found = find_events(headlines(list(TEXTS)).iloc[:0])
    assert list(found.columns) == list(COLUMNS)
    assert found.empty


def test_later_headlines_change_nothing():
    rows = headlines(TEXTS)
    later = pd.concat([rows, headlines(TEXTS, "2014-10-20 14:00")], ignore_index=True)
    pd.testing.assert_frame_equal(find_events(later).loc[: len(rows) - 1], find_events(rows))


def test_headlines_need_their_columns_and_texts():
    with pytest.raises(NewsError, match="has no column text"):
        find_events(headlines(["a"]).drop(columns="text"))
    with pytest.raises(NewsError, match="row 2: has no text"):
        find_events(headlines(["a", None]))


@pytest.mark.parametrize("rule", event_rules(), ids=lambda rule: f"{rule.event}: {rule.name}")
def test_every_rule_reads_alike_in_both_engines(rule):
    texts = [*TEXTS, *NOTHING, *(text.upper() for text in TEXTS), "Änderung: Q3 results tomorrow", "Acme\nresults due"]
    for pattern in filter(None, (rule.pattern, rule.unless)):
        fast = pc.match_substring_regex(pa.array(texts), pattern, ignore_case=True).to_pylist()
        search = re.compile(pattern, re.IGNORECASE | re.ASCII).search
        assert fast == [search(text) is not None for text in texts]
    assert rule.event in EVENT_KINDS
    assert set(rule.before) <= set(EVENT_KINDS)


def test_rules_have_names_of_their_own():
    names = [(rule.event, rule.name) for rule in event_rules()]
    assert len(set(names)) == len(names)
    assert {kind for kind, _ in names} == set(EVENT_KINDS)


def test_every_rule_reads_alike_on_real_headlines(real_data):
    news = pd.read_parquet(real_data / "market" / "reuters_company_news.parquet", columns=["text"])["text"]
    texts = news.drop_duplicates().sample(1_500, random_state=1)
    cells = pa.array(texts, type=pa.large_string())
    for rule in event_rules():
        fast = pc.match_substring_regex(cells, rule.pattern, ignore_case=True).to_numpy(zero_copy_only=False)
        search = re.compile(rule.pattern, re.IGNORECASE | re.ASCII).search
        np.testing.assert_array_equal(fast, [search(text) is not None for text in texts], err_msg=rule.name)

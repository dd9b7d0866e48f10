"""The page of a study: self-contained, escaped, without scripts, and true to the figures."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from allocation import Bars
from backtest.signal_study.output.charts import BOTTOM, LEFT, RIGHT, TOP, pictures
from backtest.signal_study.output.page import study_html, write_study
from backtest.signal_study.study import study

EVIL = "<script>alert(1)</script>&\"'"
ASSETS = [*"ABCDE", EVIL]


@pytest.fixture(scope="module")
def found():
    random = np.random.default_rng(1)
    index = pd.bdate_range("2021-11-01", periods=120, name="date")
    signal = pd.DataFrame(random.uniform(-1, 1, (120, 6)), index, ASSETS)
    signal["B"] = np.nan
    close = pd.DataFrame(50 * np.cumprod(1 + 0.01 * random.standard_normal((120, 6)), axis=0), index, ASSETS)
    sectors = pd.Series([EVIL, EVIL, EVIL, EVIL, "two", "two"], index=ASSETS)
    return study(signal, Bars(close, close.shift(1).bfill()), sectors=sectors, horizons=(1, 5), shuffles=3)


@pytest.fixture(scope="module")
def page(found):
    return study_html(found, title=EVIL)


class Walker(HTMLParser):
    """Collects tags, and refuses ones that are closed in another order than opened."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_tags_are_balanced_and_no_script_or_address_is_there(page):
    walker = Walker()
    walker.feed(page)
    assert walker.open == []
    assert walker.tags.count("svg") > 6
    assert "script" not in walker.tags
    assert not {"img", "link", "iframe"} & set(walker.tags)
    assert all(value.startswith("#") for name, value in walker.attributes if name in ("href", "src"))
    assert not any(name.startswith("on") for name, _ in walker.attributes)


def test_foreign_names_are_escaped(page):
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_every_figure_is_in_a_table(found, page):
    rows = page.count('<th scope="row">')
    assert rows == len(found.figures) > 40


def test_verdict_warnings_and_notes_are_shown(found, page):
    assert found.verdict in page
    assert "1 of 6 assets never have a signal: B" in page
    assert f"{found.tests.tested} figures tested against 0" in page


def test_links_lead_somewhere_and_ids_are_unique(page):
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_what_is_drawn_lies_inside_the_frame(found):
    drawn = pictures(found)
    assert {each.key for each in drawn} == {"horizons", "decay", "sums", "quantiles", "events", "years", "sectors"}
    for each in drawn:
        points = [point for line in each.lines for point in f"{line.points} {line.band}".split()]
        places = [tuple(map(float, point.split(","))) for point in points]
        places += [(dot.x, y) for dot in each.dots for y in (dot.y, dot.low, dot.high, *(dot.placebo or ()))]
        assert len(places) > 0
        assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in places), each.key
        assert len(each.up) >= 3
        assert TOP <= each.zero <= BOTTOM


def test_intervals_and_chance_are_drawn_around_their_figures(found):
    for each in pictures(found):
        for dot in each.dots:
            assert dot.high <= dot.y <= dot.low  # y points down
            assert dot.placebo is None or dot.placebo[0] <= dot.placebo[1]


def test_the_same_study_gives_the_same_bytes_and_the_file_is_whole(found, page, tmp_path):
    assert study_html(found, title=EVIL) == page
    path = write_study(found, tmp_path / "new" / "study.html", title=EVIL)
    assert path.read_text(encoding="utf-8") == page
    assert [each.name for each in path.parent.iterdir()] == ["study.html"]


def test_light_and_dark_share_the_report_s_colours(page):
    assert "prefers-color-scheme: dark" in page
    for name in set(re.findall(r"var\(--([a-z-]+)\)", page)) - {"strength"}:  # of a report's months
        assert f"--{name}:" in page


def test_a_study_without_any_figure_still_has_a_page():
    index = pd.bdate_range("2021-11-01", periods=30, name="date")
    flat = pd.DataFrame(50.0, index, ["A", "B"])
    found = study(flat * np.nan, flat, shuffles=2, horizons=(1,))
    assert "Nothing can be said" in study_html(found, title="nothing")

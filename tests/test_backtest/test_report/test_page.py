import html
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocation.errors import FrameError
from backtest.report.charts import MINUS, MOST_ASSETS, largest_weights, weights_chart
from backtest.report.page import write_report
from backtest.report.report import Report
from backtest.report.tables import BENCHMARK_FIGURES, RATIOS, monthly_returns, worst_drawdowns
from backtest.result.active_return import compare_with_benchmark
from backtest.result.cost_sensitivity import cost_sensitivity
from backtest.result.result import Result
from backtest.signal_study.information_coefficient import InformationCoefficient, Placebo
from backtest.statistics.significance import deflated_sharpe
from backtest.sweeps.sweep import Sweep

HOSTILE = "<script>alert(1)</script>\u2028</SCRIPT><!--"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def random_result(name: str, n_sessions: int = 60, n_assets: int = 4, seed: int = 0) -> Result:
    random = np.random.default_rng(seed)
    sessions = pd.bdate_range("2014-01-06", periods=n_sessions, name="date")
    assets = [f"A{number:02d}" for number in range(n_assets)]
    nav = pd.Series(1e6 * np.cumprod(1.0 + 0.01 * random.standard_normal(n_sessions)), sessions, name="nav")
    weights = pd.DataFrame(random.dirichlet(np.ones(n_assets + 1), n_sessions)[:, 1:], sessions, assets)
    fills = {"asset": assets[0], "shares": 5.0, "price": 9.0, "cost": 0.3}
    trades = pd.DataFrame({"session": sessions[1:]} | fills)
    return Result(name, nav, weights, trades, weights.iloc[::5])


def result_of(nav: list[float], start: str = "2020-01-30") -> Result:
    sessions = pd.bdate_range(start, periods=len(nav), name="date")
    weights = pd.DataFrame(0.0, sessions, ["A"])
    trades = pd.DataFrame({"session": sessions[:0], "asset": [], "shares": [], "price": [], "cost": []})
    trades = trades.astype({"shares": float, "price": float, "cost": float})
    return Result("still", pd.Series(nav, sessions, name="nav"), weights, trades, weights.iloc[:0])


def signal_of(result: Result, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    values = random.uniform(-1, 1, result.weights.shape)
    values[random.random(values.shape) < 0.5] = np.nan
    return pd.DataFrame(values, result.weights.index, result.weights.columns)


def number(text: str) -> float:
    return float(text.replace(MINUS, "-"))


def headlines_around(day: pd.Timestamp, *rows: dict[str, object]) -> pd.DataFrame:
    times = [day.tz_localize("UTC") + pd.Timedelta(hours=9 + number) for number in range(len(rows))]
    return pd.DataFrame(rows).assign(published=times, asset="A00")


def coefficient(result: Result) -> InformationCoefficient:
    values = np.random.default_rng(2).normal(0.05, 0.2, len(result.nav))
    return InformationCoefficient("next session", pd.Series(values, result.nav.index))


def sweep_of(results: list[Result]) -> Sweep:
    """A sweep whose axes and values are hostile too."""
    table = pd.DataFrame(
        [{f"axis {HOSTILE}": HOSTILE * (number % 2), "tilt": number // 2} | result.figures()
         for number, result in enumerate(results)]
    )  # fmt: skip
    return Sweep(table, pd.DataFrame({number: result.returns for number, result in enumerate(results)}), tried=9)


def first_bottom() -> pd.Timestamp:
    """The session of the deepest fall of the strategy in the full report."""
    return random_result("mine").drawdown.idxmin()


def full_report(folder: Path) -> Path:
    """A report with every section, each text in it hostile."""
    results = [random_result(f"mine {HOSTILE}"), random_result("theirs <b>bold</b> & co", seed=3)]
    headlines = headlines_around(
        first_bottom(),
        {"text": HOSTILE, "score": -0.9, "url": "javascript:alert(1)"},
        {"text": "Profit falls", "score": -0.5, "url": "https://example.org/a?b=1&c=2"},
        {"text": "Profit rises", "score": 0.8, "url": "//example.org"},
        {"text": "Profit lost", "score": -0.7, "url": " java\nscript:alert(1)"},
    )
    report = Report(
        title=f"Title {HOSTILE}",
        results=results,
        twin=results[1],
        notices=["The market is simulated."],
        coefficients=[coefficient(results[0])],
        signal=signal_of(results[0]),
        headlines=headlines,
        placebo=Placebo((-0.02, 0.0, 0.03)),
        sweep=sweep_of([random_result("x", seed=seed) for seed in range(4)]),
        manifest={"seed": 7, "model": {"name": HOSTILE, "labels": ["a", "b"]}},
    )
    return write_report(report, folder / "report.html")


class Page(HTMLParser):
    """Elements and texts of a page; a script's content is no text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the base class names it
        self._in_script = False

    def handle_data(self, data: str) -> None:
        (self.scripts if self._in_script else self.texts).append(data.strip(" \n"))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_report(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def test_every_section_is_there(page: Page) -> None:
    headings = {attributes["id"] for attributes in page.all("h2")}
    assert headings == {
        "news", "figures", "nav", "risk", "weights", "signal", "ic", "sweep", "costs", "months", "drawdowns",
        "notes", "manifest",
    }  # fmt: skip
    assert {each["href"] for each in page.all("a")} >= {f"#{heading}" for heading in headings}
    assert "The market is simulated." in page.texts


def test_the_table_says_what_the_results_say(page: Page) -> None:
    figures = random_result("x").figures()
    for text in (
        f"{figures['total_return']:+.1%}", f"{figures['sharpe']:.2f}", f"{figures['max_drawdown']:.1%}",
        f"{figures['sharpe_low']:.2f} to {figures['sharpe_high']:.2f}",
    ):  # fmt: skip
        assert text.replace("-", MINUS) in page.texts


def test_every_ratio_has_its_interval(page: Page) -> None:
    details = random_result("x").details()
    rows = {words: page.texts[page.texts.index(words) + 1 :] for _, words, _ in RATIOS}
    assert len(rows) >= 7
    for name, words, form in RATIOS:
        value, low, high = (f"{details[name + end]:{form}}".replace("-", MINUS) for end in ("", "_low", "_high"))
        assert [text for text in rows[words] if text][:2] == [value, f"{low} to {high}"], name


def test_each_benchmark_has_its_column(page: Page) -> None:
    found = compare_with_benchmark(random_result("x"), random_result("y", seed=3)).figures()
    texts = [text for text in page.texts if text]
    for name, words, form, sure in BENCHMARK_FIGURES:
        ends = [f"{found[f'{name}_{end}']:{form}}" for end in ("low", "high") if sure]
        cells = [f"{found[name]:{form}}", *([" to ".join(ends)] if sure else [])]
        after = texts.index(words) + 1
        assert texts[after : after + len(cells)] == [cell.replace("-", MINUS) for cell in cells]


def test_a_capacity_that_is_known_is_told(tmp_path: Path) -> None:
    text = write_report(
        Report(results=[random_result("x")], title="x", capacity=12_345_678.9), tmp_path / "x.html"
    ).read_text("utf-8")
    assert "<dt>Capacity</dt><dd>12,345,679: NAV at which" in text


def test_the_evidence_says_how_many_were_tried(page: Page) -> None:
    terms = [text for text in page.texts if text]
    assert "9" in [after for term, after in pairwise(terms) if term == "Settings tried"]
    own = f"{coefficient(random_result('mine')).mean:+.4f}"
    (chance,) = [text for text in page.texts if text.startswith("rank IC of 3 shuffled signals: 95 % between")]
    assert chance.endswith(f"; the signal's own is {own}")
    assert any(text.endswith("no better than the median of the other") for text in page.texts)
    assert "Information ratio" in page.texts
    assert page.texts.count("theirs <b>bold</b> & co") >= 2


def test_the_number_of_trials_is_deflated_by_where_it_is_known_and_said_to_be_missing_where_not() -> None:
    book = random_result("x")
    alone, tried = (dict(Report(results=[book], title="x", tried=number).evidence) for number in (None, 20))
    assert alone["Settings tried"].startswith("not logged: had others been tried first")
    assert "Deflated by that number" not in alone
    assert tried["Settings tried"] == "20"
    chance = deflated_sharpe(book.returns, 20)
    assert tried["Deflated by that number"] == f"probability {chance:.0%} that the true Sharpe ratio is above 0"
    assert deflated_sharpe(book.returns, 1) > chance
    assert tried["True Sharpe ratio above 0"].endswith("if nothing else had been tried")


def test_the_table_of_costs_says_what_is_left_at_each(page: Page) -> None:
    mine, theirs = random_result("mine"), random_result("theirs", seed=3)
    found = cost_sensitivity(mine)
    paid = [(each.costs / each.nav.shift(1)).iloc[1:] for each in (mine, theirs)]
    free = (mine.returns + paid[0] - theirs.returns - paid[1]).mean()
    more = (mine.turnover - theirs.turnover).mean()
    found["active_return"] = [252 * (free - cost / 1e4 * more) for cost in found.index]
    texts = [text for text in page.texts if text]
    assert [texts.index(f"{cost} bp") for cost in (0, 5, 10, 25, 50)] == sorted(
        texts.index(f"{c} bp") for c in (0, 5, 10, 25, 50)
    )
    for words, name, form, scale in (
        ("return a year", "annual_return", "+.1%", 1.0),
        ("added by the news, bp a year", "active_return", "+.0f", 1e4),
    ):
        after = texts.index(words) + 1
        expected = [f"{scale * value:{form}}".replace("-", MINUS) for value in found[name]]
        assert texts[after : after + 5] == expected


def test_what_trading_takes_is_said_where_there_was_any(tmp_path: Path) -> None:
    traded, still = random_result("x"), result_of([1.0, 1.1, 1.0])
    rows = dict(Report(results=[traded], title="x").evidence)
    assert rows["Turnover"].endswith("at a cost of 1 bp of NAV a year")
    assert re.fullmatch(r"\d+ bp of the traded value", rows["Break-even cost"])
    losing = replace(traded, nav=pd.Series(np.linspace(1e6, 5e5, 60), traded.nav.index))
    idle = replace(losing, trades=losing.trades.iloc[:0])
    for mine, twin, ending in (
        (losing, None, "none: it loses even free of costs"),
        (traded, traded, "; of the news none: no more is traded than without them"),
        (losing, replace(traded, trades=idle.trades), "; of the news none: they add nothing even free of costs"),
        (traded, idle, r"; of what the news added \d+ bp"),
    ):
        given = [mine] if twin is None else [mine, twin]
        words = dict(Report(results=given, twin=twin, title="x").evidence)["Break-even cost"]
        assert re.search(f"{ending}$", words)
        assert ("news" in words) == (twin is not None)
    nothing = dict(Report(results=[still], title="x").evidence)
    assert nothing["Turnover"] == "none: nothing was traded"
    assert "Break-even cost" not in nothing


def test_what_the_news_added_is_charted_where_there_is_a_twin(page: Page, tmp_path: Path) -> None:
    mine, theirs = random_result("mine"), random_result("theirs", seed=3)
    drawn = json.loads(page.scripts[1])["news"]["data"][0]["y"]
    active = (mine.returns - theirs.returns).cumsum()
    np.testing.assert_allclose(drawn, 100 * active, rtol=1e-5)
    alone = write_report(Report(results=[mine, theirs], title="x"), tmp_path / "x.html").read_text("utf-8")
    assert 'id="news"' not in alone
    assert "The news added" not in alone
    assert any(text.startswith("The news added") for text in page.texts)


def test_a_note_of_several_results_is_shown_once(tmp_path: Path) -> None:
    results = [replace(random_result(name), notes=("late",)) for name in ("one", "two")]
    text = write_report(Report(results=results, title="x"), tmp_path / "x.html").read_text("utf-8")
    assert text.count("<dd>late</dd>") == 1
    assert "<dt>one, two</dt>" in text


def test_hostile_text_stays_text(page: Page) -> None:
    assert HOSTILE in page.texts  # the headline
    assert f"Title {HOSTILE}" in page.texts
    types = [each.get("type") for each in page.all("script")]
    assert types == ["application/json", "application/octet-stream", None]
    assert not page.all("b")


def test_only_web_addresses_become_links(page: Page) -> None:
    outward = [each for each in page.all("a") if not (each["href"] or "").startswith("#")]
    assert [each["href"] for each in outward] == ["https://example.org/a?b=1&c=2"]
    assert outward[0]["rel"] == "noopener noreferrer"


def test_the_most_negative_headlines_come_first(page: Page) -> None:
    shown = [text for text in page.texts if text in (HOSTILE, "Profit falls", "Profit rises", "Profit lost")]
    assert shown[:3] == [HOSTILE, "Profit lost", "Profit falls"]


def test_the_page_may_not_use_the_network(page: Page) -> None:
    policy = next(each["content"] or "" for each in page.all("meta") if each.get("http-equiv"))
    assert "default-src 'none'" in policy
    scripts = re.search(r"script-src ([^;]*)", policy)
    assert scripts is not None
    assert re.fullmatch(r"'sha256-\S{44}' 'sha256-\S{44}'", scripts[1])
    assert not page.all("link")
    assert not [each for tag in ("script", "img", "iframe") for each in page.all(tag) if "src" in each]


def test_figures_hold_six_digits_and_no_tag(page: Page) -> None:
    text = page.scripts[1]
    assert not set("<>&\u2028\u2029") & set(text)
    figures = json.loads(text)
    assert set(figures) == {"news", "nav", "risk", "weights", "signal", "ic", "sweep", "costs"}
    assert html.unescape(figures["nav"]["data"][0]["name"]) == f"mine {HOSTILE}"
    lines = [figure for name, figure in figures.items() if name != "sweep"]
    values = [value for figure in lines for trace in figure["data"] for value in trace["y"]]
    assert len(values) > 500
    assert all(value is None or value == float(f"{value:.6g}") for value in values)


def test_tables_charts_and_landmarks_are_labelled(page: Page) -> None:
    assert len(page.all("table")) == len(page.all("caption")) == 8
    assert all(each.get("scope") for each in page.all("th"))
    ids = {attributes.get("id") for _, attributes in page.elements}
    charts = [each for each in page.all("div") if "data-chart" in each]
    assert len(charts) == 8
    assert all(each["role"] == "img" and each["aria-label"] for each in charts)
    assert {each["aria-describedby"] for each in charts} < ids
    assert {"header", "nav", "main", "footer"} < {tag for tag, _ in page.elements}


def test_the_same_results_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    assert full_report(tmp_path).read_bytes() == path.read_bytes()


def test_ten_years_of_a_hundred_assets_are_small(tmp_path: Path) -> None:
    results = [random_result(f"result {seed}", 2520, 100, seed) for seed in range(4)]
    signal, ic = signal_of(results[0]), coefficient(results[0])
    path = write_report(
        Report(results=results, title="Big", signal=signal, coefficients=[ic, ic]), tmp_path / "big.html"
    )
    assert path.stat().st_size < 5_000_000


@pytest.mark.parametrize("nav", [[1.0, 1.0, 1.0], [1.0, 1.2], [1.0]])
def test_a_result_without_risk_or_length_is_still_reported(nav: list[float], tmp_path: Path) -> None:
    text = write_report(Report(results=[result_of(nav)], title="Still"), tmp_path / "still.html").read_text(
        encoding="utf-8"
    )
    assert not [each for each in Page(text).texts if "nan" in each]
    assert "never fell below" in text
    assert 'id="signal"' not in text


def test_no_result_and_headlines_without_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="at least one result"):
        write_report(Report(results=[], title="None"), tmp_path / "none.html")
    headlines = pd.DataFrame({"published": ["2020-01-01"], "asset": ["A"]})
    with pytest.raises(FrameError, match="headlines lacks text"):
        write_report(Report(results=[random_result("x")], title="None", headlines=headlines), tmp_path / "none.html")
    assert not list(tmp_path.iterdir())


def test_a_benchmark_over_other_sessions_is_pointed_out(tmp_path: Path) -> None:
    results = [random_result("mine", 60), random_result("shorter", 40)]
    text = write_report(Report(results=results, title="Spans"), tmp_path / "spans.html").read_text(encoding="utf-8")
    assert "covers other sessions: 2014-01-06 to" in text


def test_months_compound_to_years() -> None:
    nav = random_result("x", 600).nav
    table = monthly_returns(nav)
    assert list(table) == [2014, 2015, 2016]
    for year, (cells, total) in table.items():
        product = np.prod([1.0 + number(cell.text) / 100 for cell in cells if cell])
        assert 100 * (product - 1) == pytest.approx(number(total), abs=0.8), year  # months have one decimal
    january = table[2014][0][0]
    assert january is not None
    assert number(january.text) == pytest.approx(100 * (nav["2014-01"].iloc[-1] / nav.iloc[0] - 1), abs=0.05)


def test_drawdowns_by_hand() -> None:
    nav = result_of([10.0, 9.0, 10.0, 11.0, 5.5, 8.8, 11.0, 12.0, 11.4]).nav
    falls = worst_drawdowns(nav / nav.cummax() - 1.0, None)
    assert [fall.depth for fall in falls] == [f"{MINUS}50.0%", f"{MINUS}10.0%", f"{MINUS}5.0%"]
    day = list(nav.index)
    assert [(fall.start, fall.bottom, fall.recovered) for fall in falls] == [
        (day[3], day[4], day[6]), (day[0], day[1], day[2]), (day[7], day[8], None)
    ]  # fmt: skip


def test_many_assets_end_in_one_rest_and_nothing_is_lost() -> None:
    weights = random_result("x", n_assets=40).weights
    table = largest_weights(weights)
    assert len(table.columns) == MOST_ASSETS + 1
    assert list(table.columns[-2:]) == [f"{40 - MOST_ASSETS + 1} others", "cash"]
    np.testing.assert_allclose(table.sum(axis=1), 1.0)


def test_short_weights_are_lines_since_areas_cannot_stack_below_zero() -> None:
    long = random_result("x")
    short = replace(long, weights=-long.weights)
    stacked = [{trace.stackgroup for trace in weights_chart(each).figure.data} for each in (long, short)]
    assert stacked == [{"weights"}, {None}]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser test needs playwright")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("the browser test needs chromium on the PATH")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=program, args=QUIET)
        yield chromium
        chromium.close()


def opened(browser: Any, path: Path, *, before: str = "", **context: Any) -> tuple[Any, list[str]]:
    """A page that has settled, and everything it complained of or asked from elsewhere."""
    tab = browser.new_context(**context).new_page()
    trouble: list[str] = []
    tab.on("console", lambda message: trouble.append(message.text))
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
    tab.on("request", lambda request: None if request.url == path.as_uri() else trouble.append(request.url))
    if before:
        tab.add_init_script(before)
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-charts=drawn], html.without-charts", timeout=60_000)
    return tab, trouble


def test_a_browser_draws_the_charts_and_shows_labels(browser: Any, path: Path) -> None:
    tab, trouble = opened(browser, path, viewport={"width": 1100, "height": 800})
    assert tab.locator(".chart").count() == 8
    assert all(chart.locator(".main-svg").count() >= 2 for chart in tab.locator(".chart").all())
    assert tab.locator("#nav-chart .scatterlayer .trace").count() == 3
    assert tab.locator("#nav-chart .legendtext").all_text_contents()[1] == "theirs <b>bold</b> & co"
    tab.locator("#nav-chart").hover(position={"x": 500, "y": 150})
    tab.wait_for_selector("#nav-chart .hoverlayer .legendtext")
    assert "2014" in tab.locator("#nav-chart .hoverlayer").text_content()
    assert not trouble


def test_a_browser_zooms_where_the_mouse_is_dragged_and_back_at_a_double_click(browser: Any, path: Path) -> None:
    tab, trouble = opened(browser, path, viewport={"width": 1100, "height": 800})
    shown = "document.getElementById('nav-chart').layout.xaxis.range.map((day) => Date.parse(day))"
    whole = tab.evaluate(shown)
    tab.locator("#nav-chart").scroll_into_view_if_needed()
    box = tab.locator("#nav-chart .nsewdrag").first.bounding_box()
    tab.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    tab.mouse.up()
    tab.wait_for_function(f"JSON.stringify({shown}) !== '{json.dumps(whole, separators=(',', ':'))}'")
    near = tab.evaluate(shown)
    assert near[1] - near[0] == pytest.approx(0.3 * (whole[1] - whole[0]), rel=0.05)
    tab.wait_for_timeout(400)  # else the first click of the two would count as a third
    tab.mouse.dblclick(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    tab.wait_for_function(f"JSON.stringify({shown}) === '{json.dumps(whole, separators=(',', ':'))}'")
    assert not trouble


def test_a_browser_shows_hostile_headlines_as_text_beside_the_fall_they_belong_to(browser: Any, path: Path) -> None:
    tab, trouble = opened(browser, path, viewport={"width": 1100, "height": 800})
    first, second, third = tab.locator(".drawdowns tbody").first.locator("li").all()
    assert first.inner_text().startswith("<script>alert(1)</script>")
    assert first.inner_text().rstrip().endswith(f"A00, {first_bottom():%Y-%m-%d} 09:00 UTC, score {MINUS}0.90")
    assert not first.locator("a, script").count()
    assert not second.locator("a").count()
    assert third.locator("a").get_attribute("href") == "https://example.org/a?b=1&c=2"
    assert "by UTC date of publication" in tab.locator(".drawdowns caption").inner_text()
    assert not trouble


def test_a_phone_scrolls_tables_not_the_page_and_colours_follow_the_scheme(browser: Any, path: Path) -> None:
    tab, trouble = opened(browser, path, viewport={"width": 375, "height": 700}, color_scheme="light")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 375
    label = tab.locator("#nav-chart .legendtext").first
    light = label.evaluate("text => getComputedStyle(text).fill")
    tab.emulate_media(color_scheme="dark")
    import playwright.sync_api

    playwright.sync_api.expect(label).not_to_have_css("fill", light)
    assert not trouble


def test_on_paper_charts_stand_between_the_margins_and_no_table_is_cut(browser: Any, path: Path) -> None:
    """A4 less its margins is 688 pixels wide; light colours, also where the screen is dark."""
    tab, trouble = opened(browser, path, viewport={"width": 688, "height": 980}, color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    import playwright.sync_api

    label = tab.locator("#nav-chart .legendtext").first
    playwright.sync_api.expect(label).to_have_css("fill", "rgb(29, 33, 38)")  # --ink of light paper
    for chart in tab.locator(".chart .main-svg:first-child").all():
        box = chart.bounding_box()
        assert box["width"] == 680
        assert box["height"] > 100
        assert box["x"] + box["width"] <= 688
    assert tab.locator("#nav-chart .scatterlayer .trace").count() == 3
    assert tab.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--paper')").strip() == "#fdfdfc"
    assert tab.evaluate("Math.max(...[...document.querySelectorAll('table')].map((t) => t.scrollWidth))") <= 688
    assert not tab.locator("nav").is_visible()
    assert tab.pdf(format="A4").startswith(b"%PDF")
    assert not trouble


def test_an_old_browser_is_told_that_charts_are_missing(browser: Any, path: Path) -> None:
    tab, _ = opened(browser, path, before="delete window.DecompressionStream")
    assert "cannot be drawn in this browser" in tab.locator("#no-charts").inner_text()
    assert not tab.locator(".chart").first.is_visible()
    assert tab.locator("table").first.is_visible()

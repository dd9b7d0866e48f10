"""The shell of pages: foreign text escaped, no outside address, and no script but the two whose hashes are known."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from newsfolio.shared import page
from newsfolio.shared.page import render_page

HOSTILE = "<script>alert(1)</script>\u2028</SCRIPT><!--&\"'"
CONTENT = {"title": HOSTILE, "lead": [HOSTILE], "sections": [("one", HOSTILE)], "rows": [("a", f"1\n{HOSTILE}")]}
TEMPLATE = """{% extends "shell.html.jinja" %}
{% from "macros.html.jinja" import section, table %}
{% block main %}
{% call section("one", "One") %}
{{ table("all", ("", "b"), rows) }}
{% call(number) table("more", ("", "b", "c"), rows) %}<td>{{ number }}</td>{% endcall %}
{% endcall %}
{% endblock %}
"""


@pytest.fixture(autouse=True)
def template(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose only file is the template above."""
    kept = page._asset
    monkeypatch.setattr(page, "_asset", lambda package, name: TEMPLATE if package == "mine" else kept(package, name))


def test_foreign_text_is_escaped_and_there_is_no_script_without_charts() -> None:
    html = render_page("mine", "x.html.jinja", CONTENT)
    assert "script" not in re.sub(r"&lt;.*?&gt;", "", html).lower()
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 6  # title and heading, lead, link, two cells
    assert "default-src &#39;none&#39;" in html
    assert "script-src" not in html
    assert not re.search(r"https?:|url\(|@import", html)


def test_a_cell_may_hold_a_second_line_and_a_caller_may_add_cells() -> None:
    html = render_page("mine", "x.html.jinja", CONTENT | {"rows": [("a", "1\n0 to 2"), ("b", "3")]})
    assert html.count("<td>1 <small>0 to 2</small></td>") == 2
    assert "<td>3</td></tr>" in html
    assert "<td>3</td><td>1</td></tr>" in html


def test_notices_are_shown_where_there_are_any() -> None:
    assert 'role="note"' not in render_page("mine", "x.html.jinja", CONTENT)
    html = render_page("mine", "x.html.jinja", CONTENT | {"notices": ["simulated", HOSTILE]})
    assert html.index("<p>simulated</p>") < html.index("<h1>")


def test_charts_bring_two_scripts_that_the_policy_knows_by_their_hashes() -> None:
    html = render_page("mine", "x.html.jinja", CONTENT, charts={"nav": {"name": HOSTILE}})
    figures, _, own = re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL)
    assert json.loads(figures) == {"nav": {"name": HOSTILE}}
    assert not set("<>&\u2028\u2029") & set(figures)
    plotly = Path(str(page.files("plotly").joinpath("package_data", "plotly.min.js"))).read_bytes()
    known = [f"&#39;sha256-{b64encode(sha256(each).digest()).decode()}&#39;" for each in (own.encode(), plotly)]
    assert f"script-src {' '.join(known)};" in html.replace("&#43;", "+")
    assert "DecompressionStream" in own


def test_what_a_template_misses_is_an_error() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError, match="rows"):
        render_page("mine", "x.html.jinja", {"title": "", "lead": [], "sections": []})

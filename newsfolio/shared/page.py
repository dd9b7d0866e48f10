"""The shell of every page that newsfolio writes: one skeleton, one style, no outside address, foreign text escaped."""

import gzip
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

HERE = "newsfolio.shared"
# Styles cannot be allowed by their hash as scripts are: plotly sets them on the elements that it draws.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render_page(
    package: str,
    template: str,
    content: Mapping[str, object],
    *,
    style: str | None = None,
    charts: Mapping[str, object] | None = None,
) -> str:
    """Return a page as HTML that opens offline; every text in `content` is taken for foreign and escaped.

    package: whose folder `data` holds the template, which extends shell.html.jinja, and the style, which is added to
    the style that all pages share. charts: plotly figures by name, as plain values; without any the page may run no
    script at all. The same content gives the same bytes.

    The shell itself reads title, lead (sentences), sections (pairs of an id and a heading) and, where given, notices
    (sentences that stand above all else), span and closing.
    """
    sheet = _asset(HERE, "page.css") + ("" if style is None else _asset(package, style))
    loader = FunctionLoader(lambda name: _asset(package if name == template else HERE, name))
    strict = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=loader
    )
    shell: dict[str, object] = {"style": Markup(sheet), "policy": POLICY, "scripts": None}  # noqa: S704 - our own file
    if charts is not None:
        from plotly.io.json import to_json_plotly  # slow to load, and pages without charts need none of it

        figures = str(to_json_plotly(charts))
        for character in "<>&\u2028\u2029":  # the first `</script` in a text would end the element
            figures = figures.replace(character, f"\\u{ord(character):04x}")
        script = _asset(HERE, "charts.js")
        plotly = Path(str(files("plotly").joinpath("package_data", "plotly.min.js"))).read_bytes()
        hashes = " ".join(f"'sha256-{b64encode(sha256(each).digest()).decode()}'" for each in (script.encode(), plotly))
        shell["scripts"] = {
            "figures": Markup(figures),  # noqa: S704 - escaped above
            # 4.8 MB as it is, 2 MB so, little less at a higher level; mtime 0: the same results give the same bytes.
            "plotly": b64encode(gzip.compress(plotly, 4, mtime=0)).decode(),
            "script": Markup(script),  # noqa: S704 - our own file
        }
        # By the hash of their text a browser runs these two scripts and no other, even if escaping failed.
        shell["policy"] = f"{POLICY}; script-src {hashes}; img-src data: blob:"
    return strict.get_template(template).render({"notices": (), "span": "", "closing": "", **content, **shell})


def _asset(package: str, name: str) -> str:
    """Return a text file of a package's folder `data`: a template, a style, a script."""
    return files(package).joinpath("data", name).read_text(encoding="utf-8")

"""The shell of every page that newsfolio writes: one style, no outside address, foreign text escaped."""

from importlib.resources import files


def asset(package: str, name: str) -> str:
    """Return a text file of a package's folder `data`: a template, a style, a script."""
    return files(package).joinpath("data", name).read_text(encoding="utf-8")


def page_style() -> str:
    """Return the style sheet that all pages share."""
    return asset("newsfolio.shared", "page.css")

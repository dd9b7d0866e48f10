"""A file of settings for the command: TOML whose keys are its options, so that a cron line stays short."""

import datetime as dt
import difflib
import tomllib
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup, TyperOption

from allocation.errors import SourceError

SHARED = (("rebalance",), ("account", "open"))  # whose settings a file may hold, whichever command reads it
ITSELF = "settings"
PLACES = ("strategy", "ledger", "prices", "price-cache", "news", "model", "signal", "metrics")  # files, or folders


def use_settings(context: typer.Context, path: Path | None) -> Path | None:
    """Take from a file what the command line does not say; called by the command line's parser.

    max_weight and max-weight are one setting. Relative paths start at the file's own folder.

    Raises:
        SourceError: the file cannot be read, or has a key that is no option, or a value that no option takes.
    """
    if path is None:
        return None
    text, mine = _read(path), _options(context.command)
    known, taken = mine | _shared_options(context), {}
    for written, value in tomllib.loads(text).items():
        key, where = written.replace("_", "-"), f"{path}, line {_line(text, written)}"
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(sorted(known))}"
            raise SourceError(f"{where}: {written!r} is no setting: {hint}")
        if key in taken:
            raise SourceError(f"{where}: {key} is set twice: keep one")
        taken[key] = _checked(value, known[key], f"{where}: {written}", context)
        place = str(taken[key])  # a URL, Yahoo's tickers or a model's name is no path
        if key in PLACES and "://" not in place and not place.startswith("yahoo:"):
            beside = path.parent / place
            taken[key] = place if key == "model" and not beside.exists() else str(beside)
    context.default_map = {str(mine[key].name): value for key, value in taken.items() if key in mine}
    return path


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
        tomllib.loads(text)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: is not TOML: {error}") from error
    return text


def _line(text: str, key: str) -> int:
    """The line that sets a key; the parser does not say."""
    lines = text.splitlines()
    starts = (key, f'"{key}"', f"'{key}'", f"[{key}")
    return next((number for number, line in enumerate(lines, 1) if line.lstrip().startswith(starts)), 1)


def _options(command: Any) -> dict[str, Any]:
    """Parameters of a command by the names that a file gives them: those of the command line without dashes."""
    by_name = {max(parameter.opts, key=len).lstrip("-"): parameter for parameter in command.params}
    return {name: parameter for name, parameter in by_name.items() if name not in (ITSELF, "help")}


def _shared_options(context: typer.Context) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for names in SHARED:
        command: Any = context.find_root().command
        for name in names:
            command = command.commands.get(name) if isinstance(command, TyperGroup) else None
        found = (_options(command) if command else {}) | found
    return found


def _checked(value: object, option: Any, where: str, context: typer.Context) -> object:
    """Refuse what the parser would take for something else, a truth for a number or a list for a word."""
    if option.multiple:
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        wanted = "a list of texts"
    elif isinstance(option, TyperOption) and option.is_flag:
        fits, wanted = isinstance(value, bool), "true or false"
    else:
        fits = isinstance(value, (str, int, float, dt.date)) and not isinstance(value, bool)
        wanted = "a text or a number"
    if not fits:
        raise SourceError(f"{where}: {value!r} is not {wanted}")
    plain = value.isoformat() if isinstance(value, dt.date) else value
    try:
        option.process_value(context, plain)
    except typer.BadParameter as error:
        raise SourceError(f"{where}: {error.message}") from error
    return plain

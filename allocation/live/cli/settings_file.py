"""A file of settings for the command: TOML whose keys are its options, so that a cron line stays short."""

import datetime as dt
import tomllib
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup, TyperOption

from allocation.errors import SourceError

MASTER = "rebalance"  # whose file the other commands may be given, too
ITSELF = "settings"


def use_settings(context: typer.Context, path: Path | None) -> Path | None:
    """Take from a file what the command line does not say; called by the command line's parser.

    Raises:
        SourceError: the file cannot be read, or has a key that is no option, or a value that no option takes.
    """
    if path is None:
        return None
    given, mine = _read(path), _options(context.command)
    known = mine | _options_of_master(context)
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SourceError(f"{path}: {unknown[0]!r} is no setting: the settings are {', '.join(sorted(known))}")
    for key, value in given.items():
        _check(value, known[key], f"{path}: {key}")
    context.default_map = {str(mine[key].name): _plain(value) for key, value in given.items() if key in mine}
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: is not TOML: {error}") from error


def _options(command: Any) -> dict[str, Any]:
    """Parameters of a command by the names that a file gives them: those of the command line without dashes."""
    by_name = {max(parameter.opts, key=len).lstrip("-"): parameter for parameter in command.params}
    return {name: parameter for name, parameter in by_name.items() if name not in (ITSELF, "help")}


def _options_of_master(context: typer.Context) -> dict[str, Any]:
    group = context.parent.command if context.parent else None
    return _options(group.commands[MASTER]) if isinstance(group, TyperGroup) and MASTER in group.commands else {}


def _check(value: object, option: Any, where: str) -> None:
    """Refuse what the parser would take for something else: a truth for a number, a list for a word."""
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


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else value

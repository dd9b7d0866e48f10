"""load_policy(): how a user's strategy file becomes a policy."""

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocation.errors import AllocationError, SourceError

if TYPE_CHECKING:
    from allocation.view import Policy


def load_policy(path: Path) -> "Policy":
    """Run a strategy file, the user's own code, and return what its policy() gives.

    Raises:
        SourceError: no such file, no function policy(), or the file or function fails.
    """
    where = str(path)
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"strategy_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SourceError(f"{path}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    _guarded(spec.loader.exec_module, where)(module)
    if not hasattr(module, "policy"):
        raise SourceError(f"{path}: needs a function policy() that returns the policy")
    policy = _guarded(module.policy, where)()
    if not callable(policy):
        raise SourceError(
            f"{path}: policy() returned a {type(policy).__name__}: return a callable from View to weights"
        )
    return _guarded(policy, where)


def _guarded(function: Callable[..., Any], where: str) -> Callable[..., Any]:
    """Whatever the user's own code raises becomes an error of one line; our errors pass as they are."""

    def guarded(*arguments: Any) -> Any:
        """The function, its errors named by file and line."""
        try:
            return function(*arguments)
        except AllocationError:
            raise
        except (Exception, SystemExit) as error:
            raise SourceError(f"{where}{_line(error, where)}: {type(error).__name__}: {error}") from error

    return guarded


def _line(error: BaseException, path: str) -> str:
    """The last line of the user's file that was at work; an error of syntax says its own."""
    here, frames = Path(path).resolve(), traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == here]
    return f", line {lines[-1]}" if lines else ""

"""manifest(): what a backtest was made from: files and digests of what they held, settings, versions; and as rows."""

import platform
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from allocation.frames import frame_digest

PACKAGES = ("newsfolio", "numpy", "pandas", "cvxpy", "vectorbt")


def manifest(
    sources: Mapping[str, Path | None],
    frames: Mapping[str, pd.DataFrame | None],
    *,
    files: Mapping[str, str],
    settings: Mapping[str, object],
) -> dict[str, Mapping[str, object]]:
    """Return nested mappings of plain values; the same inputs give the same manifest, and no clock is in it.

    sources: files of which the bytes are digested, the strategy among them; frames: what was read. Both by name, None
    where one was not given. What a frame says of itself in its attrs is noted. files: names of all files but the
    strategy's.
    """
    given = {name: frame for name, frame in frames.items() if frame is not None}
    found: dict[str, Mapping[str, object]] = {
        "files": {"strategy": str(sources["strategy"] and sources["strategy"].name), **files},
        "digests": {name: sha256(path.read_bytes()).hexdigest() for name, path in sources.items() if path is not None}
        | {name: frame_digest(frame) for name, frame in given.items()},
        "settings": {name: value for name, value in settings.items() if value is not None},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }
    for name, frame in given.items():
        if frame.attrs:
            found[f"{name} says"] = {str(key): str(value) for key, value in frame.attrs.items()}
    return found


def manifest_rows(manifest: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as dotted names, sequences as comma-separated text."""
    for key, value in manifest.items():
        if isinstance(value, Mapping):
            yield from manifest_rows(value, f"{above}{key}.")
        elif isinstance(value, (list, tuple)):
            yield f"{above}{key}", ", ".join(map(str, value))
        else:
            yield f"{above}{key}", str(value)

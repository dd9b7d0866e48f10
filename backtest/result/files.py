"""Results on disk: a folder of Parquet files and one JSON file that a person can read."""

import json
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from allocation.errors import SourceError
from backtest.result.result import Result

FORMAT = 1
FRAMES = ("weights", "trades", "targets")


def save_result(result: Result, folder: str | Path) -> Path:
    """Write `result` to `folder`: nav, flows, weights, trades, targets and closes as Parquet, the rest as result.json.

    An older result there is replaced as a whole; a crash leaves it as it was, or at worst under a name that
    begins with a dot in the same folder.

    Raises:
        SourceError: `folder` is there and holds something else.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / "result.json").is_file():
        raise SourceError(f"{folder}: is there and holds no result: choose another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        _write(result, fresh)
        fresh.chmod(0o755)
        old = fresh.with_name(f"{fresh.name}-old")
        if folder.exists():  # a folder cannot be replaced in one step: the old one steps aside first
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def load_result(folder: str | Path) -> Result:
    """Read what save_result wrote.

    Raises:
        SourceError: no result is there, a file of it is missing or damaged, or a newer version wrote it.
    """
    folder = Path(folder)
    for name in ("result.json", "nav.parquet", *(f"{name}.parquet" for name in FRAMES)):
        if not (folder / name).is_file():
            raise SourceError(f"{folder}: holds no result, {name} is missing")
    try:
        stored = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        if stored["format"] > FORMAT:
            raise SourceError(f"{folder}: was written by a newer newsfolio: update this one")
        nav = pd.read_parquet(folder / "nav.parquet")["nav"]
        weights, trades, targets = (pd.read_parquet(folder / f"{name}.parquet") for name in FRAMES)
        flows = pd.read_parquet(folder / "flows.parquet") if stored["has_flows"] else None
        closes = pd.read_parquet(folder / "closes.parquet") if stored.get("has_closes") else None
        return Result(
            name=str(stored["name"]),
            nav=nav,
            weights=weights,
            trades=trades,
            targets=targets,
            notes=tuple(map(str, stored["notes"])),
            flows=flows,
            sessions_in_year=stored["sessions_in_year"],
            closes=closes,
        )
    except (KeyError, TypeError, OSError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{folder}: the result is damaged: {' '.join(str(error).split())}") from error


def _write(result: Result, folder: Path) -> None:
    result.nav.to_frame("nav").to_parquet(folder / "nav.parquet")
    for name, frame in zip(FRAMES, (result.weights, result.trades, result.targets), strict=True):
        frame.to_parquet(folder / f"{name}.parquet")
    if result.flows is not None:
        result.flows.to_parquet(folder / "flows.parquet")
    if result.closes is not None:
        result.closes.to_parquet(folder / "closes.parquet")
    stored = {
        "format": FORMAT,
        "name": result.name,
        "notes": list(result.notes),
        "has_flows": result.flows is not None,
        "has_closes": result.closes is not None,
        "sessions_in_year": result.sessions_in_year,
        "figures": {name: value if value == value else None for name, value in result.figures().items()},
    }
    text = json.dumps(stored, indent=2, allow_nan=False, ensure_ascii=False)
    (folder / "result.json").write_text(text + "\n", encoding="utf-8")

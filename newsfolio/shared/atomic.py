"""Files that are whole or not there: written next to their place, then renamed; what a killed run left is removed."""

import logging
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from newsfolio.shared.errors import NewsfolioError

log = logging.getLogger(__name__)

ENDING = re.compile(r"[a-z0-9_]{8}")  # as tempfile makes them, and token_hex
MODE = 0o666  # less the umask, as for any new file: tempfile's 0600 would keep it from its group


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield where to write what is to be at `path`: renamed to it at the end, deleted on an error.

    What killed runs left for the same `path` is deleted first. It is recognised by its name and by its lock, which the
    system takes off a process that ends in any way: the file of a living run is never touched. On Windows, and on a
    file system without locks, leftovers stay. The file's mode follows the umask.

    Raises:
        OSError: the place cannot be written.
    """
    prefix = f".{path.name}.unfinished-"
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent, prefix, os.unlink)

    def new_file() -> Path:
        fresh = path.parent / f"{prefix}{secrets.token_hex(4)}"
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE))
        return fresh

    temporary, lock = _claimed(new_file)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        _release(lock)


def write_whole(path: Path, write: Callable[[Path], object], error: type[NewsfolioError] = NewsfolioError) -> Path:
    """Let `write` fill what becomes `path`, as `atomic_write` does; raise `error` where the place cannot be written."""
    try:
        with atomic_write(path) as temporary:
            write(temporary)
    except OSError as cause:
        raise error(f"{path}: cannot be written: {cause.strerror or cause}: name another place") from cause
    return path


def write_text(text: str, path: str | Path, error: type[NewsfolioError] = NewsfolioError) -> Path:
    """Write a text file (UTF-8), all or nothing; raise `error` where the place cannot be written."""
    return write_whole(Path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"), error)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder on the local disk, for as long as `path` is being made; leftovers as in `atomic_write`."""
    place, digest = Path(tempfile.gettempdir()), blake2b(str(path.absolute()).encode(), digest_size=8).hexdigest()
    prefix = f"newsfolio-{digest}-"
    _remove_leftovers(place, prefix, shutil.rmtree)
    folder, lock = _claimed(lambda: Path(tempfile.mkdtemp(dir=place, prefix=prefix)))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        _release(lock)


@contextmanager
def exclusive_lock(folder: Path, error: type[NewsfolioError]) -> Iterator[None]:
    """Keep other runs that ask for it out of a folder, where the system has locks.

    Raises:
        `error`: another run is in it.
        OSError: it cannot be opened.
    """
    handle = None if sys.platform == "win32" else os.open(folder, os.O_RDONLY)
    try:
        try:
            free = handle is None or _lock(handle)
        except OSError:  # a file system without locks
            free = True
        if not free:
            raise error(f"{folder}: another run writes there: wait for it, or name another place")
        yield
    finally:
        _release(handle)


def _claimed(make: Callable[[], Path]) -> tuple[Path, int | None]:
    """Return something fresh and its lock; another run may take it for a leftover until it is locked."""
    while True:
        fresh = make()
        lock = _locked(fresh)
        if lock is None or _is_still(fresh, lock):
            return fresh, lock
        _release(lock)


def _remove_leftovers(folder: Path, prefix: str, remove: Callable[[Path], None]) -> None:
    for name in sorted(os.listdir(folder)):
        path, is_ours = folder / name, name.startswith(prefix) and ENDING.fullmatch(name, len(prefix))
        if not is_ours or (lock := _locked(path)) is None:
            continue
        try:
            if _is_still(path, lock):
                remove(path)
                log.warning("%s: removed, a killed run had left it", path)
        except OSError as error:
            log.warning("%s: a killed run left it, and it cannot be removed: %s", path, error.strerror)
        finally:
            _release(lock)


def _locked(path: Path) -> int | None:
    """Return a handle on the path that is locked until it is closed, or None where it is locked or cannot be."""
    if sys.platform == "win32":
        return None
    try:
        handle = os.open(path, (os.O_RDONLY if path.is_dir() else os.O_RDWR) | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if _lock(handle):
            return handle
    except OSError:  # a file system without locks
        pass
    os.close(handle)
    return None


def _lock(handle: int) -> bool:
    """Lock an open file or folder, or return False where another process has."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _release(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)

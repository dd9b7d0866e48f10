"""Files on their way: written beside their place, then renamed; what a killed run left of one is told and removed."""

import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from nlp.errors import NlpError

log = logging.getLogger(__name__)

ENDING = re.compile(r"[a-z0-9_]{8}")  # as tempfile makes them


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield where to write what is to be at `path`: renamed to it at the end, deleted on an error.

    What killed runs left for the same `path` is deleted first. It is told by its name and by its lock, which the
    system takes off a process that ends in any way: the file of a run that lives is never touched. On Windows, and on
    a file system without locks, leftovers stay.
    """
    prefix = f".{path.name}.unfinished-"
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent, prefix, os.unlink)
    temporary, lock = _claimed(lambda: _made_file(path.parent, prefix))
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        _release(lock)


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
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Keep other runs that ask for it out of a folder, where the system has locks.

    Raises:
        NlpError: another run is in it.
        OSError: it cannot be opened.
    """
    handle = None if sys.platform == "win32" else os.open(folder, os.O_RDONLY)
    try:
        if not _free(handle):
            raise NlpError(f"{folder}: another run writes there: wait for it, or name another place")
        yield
    finally:
        _release(handle)


def _made_file(folder: Path, prefix: str) -> Path:
    handle, name = tempfile.mkstemp(dir=folder, prefix=prefix)
    os.close(handle)
    return Path(name)


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
        if name.startswith(prefix) and ENDING.fullmatch(name, len(prefix)):
            _remove_if_left(folder / name, remove)


def _remove_if_left(path: Path, remove: Callable[[Path], None]) -> None:
    lock = _locked(path)
    if lock is None:
        return
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


def _free(handle: int | None) -> bool:
    """Whether nobody else has it, as far as can be told; locks it."""
    try:
        return handle is None or _lock(handle)
    except OSError:  # a file system without locks
        return True


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

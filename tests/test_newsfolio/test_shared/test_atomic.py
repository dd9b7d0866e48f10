"""Files are whole or not there; a killed run's leftovers are removed, a living run's never."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from newsfolio.shared.atomic import atomic_write, scratch_folder, write_text
from newsfolio.shared.errors import NewsfolioError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks that tell the living")

HOLD = """
import sys, time
from pathlib import Path
from newsfolio.shared.atomic import scratch_folder, atomic_write
with atomic_write(Path(sys.argv[1])) as file, scratch_folder(Path(sys.argv[1])) as folder:
    file.write_text("half")
    (folder / "scores").write_text("half")
    print(file, folder, sep="\\n", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def own_temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
def another_run(own_temporary):
    """Begin a run in another process: returns it and what it has on the way."""
    begun = []

    def begin(path):
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
        begun.append(process)
        return process, process.stdout.readline().strip(), process.stdout.readline().strip()

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def write(path):
    with atomic_write(path) as file, scratch_folder(path) as folder:
        (folder / "x").write_text("x")
        file.write_text("whole")
    assert path.read_text() == "whole"


def test_what_a_killed_run_left_is_removed(tmp_path, own_temporary, another_run, caplog):
    out = tmp_path / "out" / "o.csv"
    process, file, folder = another_run(out)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert os.path.exists(file)
    assert os.path.exists(folder)
    write(tmp_path / "out" / "other.csv")
    assert os.path.exists(file)
    assert os.path.exists(folder)
    assert not caplog.records
    write(out)
    assert sorted(path.name for path in out.parent.iterdir()) == ["o.csv", "other.csv"]
    assert not list(own_temporary.iterdir())
    assert [record.getMessage() for record in caplog.records] == [
        f"{left}: removed, a killed run had left it" for left in (file, folder)
    ]


def test_what_a_living_run_holds_stays(tmp_path, another_run, caplog):
    out = tmp_path / "o.csv"
    _, file, folder = another_run(out)
    write(out)
    assert Path(file).read_text() == "half"
    assert os.path.exists(f"{folder}/scores")
    assert not caplog.records


@pytest.mark.parametrize("name", [".o.csv.unfinished-", ".o.csv.unfinished-ABCDEFGH", ".o.csv.unfinished-abcdefgh.csv",
                                  ".o-abcdefgh.csv", ".o.csvxunfinished-abcdefgh"])  # fmt: skip
def test_other_files_stay(tmp_path, own_temporary, name):
    (tmp_path / name).write_text("mine")
    write(tmp_path / "o.csv")
    assert (tmp_path / name).read_text() == "mine"


def test_a_link_of_that_name_is_left_alone(tmp_path, own_temporary):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".o.csv.unfinished-abcdefgh").symlink_to(tmp_path / "mine")
    write(tmp_path / "o.csv")
    assert (tmp_path / "mine").read_text() == "mine"
    assert (tmp_path / ".o.csv.unfinished-abcdefgh").is_symlink()


def test_a_leftover_that_cannot_be_removed_is_said_and_passed_by(tmp_path, own_temporary, monkeypatch, caplog):
    left = tmp_path / ".o.csv.unfinished-abcdefgh"
    left.write_text("half")
    out, running = tmp_path / "o.csv", ExitStack()

    def refuse(*_, **__):
        raise OSError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        file = running.enter_context(atomic_write(out))
    with running:
        file.write_text("whole")
    assert out.read_text() == "whole"
    assert left.exists()
    assert "a killed run left it, and it cannot be removed: Operation not permitted" in caplog.text


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, own_temporary):
    out = tmp_path / "o.csv"
    out.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(out) as file, scratch_folder(out):  # noqa: PT012
        file.write_text("half")
        raise ZeroDivisionError
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.csv", "temporary"]
    assert not list(own_temporary.iterdir())


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_written_file_keeps_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        path = write_text("x", tmp_path / "o.txt")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


def test_a_text_is_replaced_whole(tmp_path):
    path = write_text("old", tmp_path / "deep" / "report.html")
    with pytest.raises(UnicodeEncodeError):
        write_text("half \ud800", path)
    assert path.read_text() == "old"
    assert write_text("Σ new", path).read_bytes() == "Σ new".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NewsfolioError, match=r"file/o.txt: cannot be written: .*name another place"):
        write_text("x", tmp_path / "file" / "o.txt")

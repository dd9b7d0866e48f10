"""A PostgreSQL of our own, where one is installed; without one the tests that need it are skipped."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # live_support, beside the tests as `support` is


def server_folder() -> Path | None:
    """Where initdb and postgres are: on the path, or where Debian puts them."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return places[-1] if places else None


@pytest.fixture(scope="session")
def postgres():
    """URL of an empty database in a fresh cluster, reached by a socket in its own folder."""
    tools = server_folder()
    if tools is None or not (tools / "initdb").exists():
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    as_user = []
    folder = Path(tempfile.mkdtemp(prefix="newsfolio-pg-"))
    if os.geteuid() == 0:  # the server refuses to run as root
        if "postgres" not in {user.pw_name for user in pwd.getpwall()}:
            pytest.skip("PostgreSQL cannot run as root, and there is no user postgres")
        shutil.chown(folder, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    data = folder / "data"

    def tool(name, *arguments):
        done = subprocess.run([*as_user, tools / name, *arguments], capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, done.stderr

    tool("initdb", "-D", str(data), "-U", "tester", "--auth", "trust", "--no-sync", "-E", "UTF8")
    # No fsync: what is tested is the kill of a client, not of the machine.
    tool(
        "pg_ctl",
        "-D",
        str(data),
        "-w",
        "-o",
        f"-k {folder} -c listen_addresses= -F",
        "-l",
        str(folder / "log"),
        "start",
    )
    try:
        yield lambda name: _database(tool, folder, name)
    finally:
        tool("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _database(tool, folder, name):
    tool("createdb", "-h", str(folder), "-U", "tester", name)
    return f"postgresql://tester@/{name}?host={folder}"


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path, monkeypatch):
    """Which ledger ran last is remembered in the user's folder: a test has its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def announce(capsys):
    """Print a line that is seen whether tests pass or fail."""

    def show(line):
        with capsys.disabled():
            print(f"\n{line}")

    return show


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """A new ledger's URL, on both databases."""
    if request.param == "sqlite":
        return str(tmp_path / "book.sqlite")
    return request.getfixturevalue("postgres")(f"t{abs(hash(request.node.nodeid)):x}"[:40])

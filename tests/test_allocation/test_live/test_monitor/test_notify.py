"""Who is told of a failure: exactly the reason, by no shell, in limited time, and with no harm where it fails."""

import json
import shlex
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation.live.monitor import notify as module
from allocation.live.monitor.notify import MOST_LETTERS, notify, printable_line

WRITE = f"{sys.executable} -c \"import sys;open('told','w').write(sys.argv[-1])\" --quiet"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(reason=st.text(max_size=3000))
def test_a_reason_is_one_line_of_letters(reason):
    said = printable_line(reason)
    assert said.isprintable()
    assert len(said) <= MOST_LETTERS
    assert printable_line(said) == said


@pytest.mark.parametrize(
    "reason",
    [
        "$(touch bad); `touch bad` | touch bad && touch bad > bad",
        "'; touch bad #",
        '" && touch bad',
        "--help",
        "\0\n\x1b[2J",
    ],
)
def test_no_shell_reads_the_reason(folder, reason):
    notify(WRITE, reason, 1)
    assert (folder / "told").read_text() == f"newsfolio: {printable_line(reason)}"
    assert [path.name for path in folder.iterdir()] == ["told"]


@pytest.mark.parametrize(
    ("command", "name", "why"),
    [
        ("nowhere-to-be-found --key hunter2", "nowhere-to-be-found", "FileNotFoundError"),
        (f"{sys.executable} -c 'raise SystemExit(7)' hunter2", sys.executable, "it ended with exit code 7"),
        ("mail 'hunter2", "mail", "No closing quotation"),
        ("", "the command", "PermissionError|FileNotFoundError"),
        ("http://example.org/hooks/hunter2", "example.org", "it is not https"),
        ("https://127.0.0.1:1/hooks/hunter2", "127.0.0.1", "URLError"),
    ],
)
def test_a_target_that_fails_is_logged_without_its_secrets(caplog, command, name, why):
    notify(command, "all is lost", 1)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{name} was not notified of the failure: ")
    assert any(reason in record.getMessage() for reason in why.split("|"))
    assert "hunter2" not in caplog.text


def test_a_command_that_hangs_is_left_in_time_with_its_children(monkeypatch, caplog):
    monkeypatch.setattr(module, "COMMAND_SECONDS", 0.3)
    started = time.monotonic()
    notify(f"sh -c {shlex.quote('sleep 5; true')}", "all is lost", 1)
    assert time.monotonic() - started < 4.0
    assert "sh was not notified of the failure: TimeoutExpired" in caplog.text


@pytest.fixture
def hook():
    """A webhook on loopback: what was posted, and how it answers."""
    posted, answer = [], {"status": 200, "wait": 0.0}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            time.sleep(answer["wait"])
            self.send_response(answer["status"])
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hooks/hunter2", posted, answer
    server.shutdown()
    server.server_close()


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reason=st.text(max_size=50))
def test_a_webhook_gets_the_reason_as_json(hook, reason):
    url, posted, _ = hook
    notify(url, reason, 3)
    assert posted[-1] == {"text": f"newsfolio: {printable_line(reason)}", "exit_code": 3}


@pytest.mark.parametrize(("status", "wait", "why"), [(500, 0.0, "HTTPError"), (200, 1.0, "TimeoutError")])
def test_a_webhook_that_fails_is_logged_without_its_path(hook, monkeypatch, caplog, status, wait, why):
    url, _, answer = hook
    answer |= {"status": status, "wait": wait}
    monkeypatch.setattr(module, "WEBHOOK_SECONDS", 0.3)
    notify(url, "all is lost", 1)
    assert f"127.0.0.1 was not notified of the failure: {why}" in caplog.text
    assert "hunter2" not in caplog.text

"""Tell somebody that a step did not get to its end: a command of the user's own, or a webhook."""

import http.client
import json
import logging
import shlex
import subprocess
import urllib.parse

from allocation.live import web
from newsfolio.shared.text_table import printable

log = logging.getLogger(__name__)

COMMAND_SECONDS = 60.0
WEBHOOK_SECONDS = 15.0
MOST_LETTERS = 2000


def printable_line(reason: str) -> str:
    """Return a reason as one line of printable letters: it may quote a headline, which anybody can write."""
    line = " ".join(printable(reason).split())
    return line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 1]}…"


def notify(target: str, reason: str, exit_code: int) -> None:
    """Run a command with `newsfolio: REASON` as its last argument, or post that to an https address as JSON.

    No shell reads the reason. A target that fails, or takes too long, is logged and forgotten: it must not hide what
    it was to tell. What is logged names the program or the host only, for the rest may be a secret.
    """
    said = f"newsfolio: {printable_line(reason)}"
    is_webhook = target.startswith(("https://", "http://"))
    try:
        if is_webhook:
            body = json.dumps({"text": said, "exit_code": exit_code}).encode()
            web.send(target, body, {"Content-Type": "application/json"}, "POST", WEBHOOK_SECONDS)
        else:
            _run(target, said)
    except (OSError, ValueError, IndexError, http.client.HTTPException, subprocess.SubprocessError) as error:
        why = str(error) if type(error) is ValueError else type(error).__name__
        if isinstance(error, subprocess.CalledProcessError):
            why = f"it ended with exit code {error.returncode}"
        name = urllib.parse.urlsplit(target).hostname or "the webhook"
        if not is_webhook:
            name = (target.split() or ["the command"])[0]
        log.warning("%s was not notified of the failure: %s", name, why)


def _run(command: str, said: str) -> None:
    # No pipes: a grandchild that keeps one open would outlast the time limit.
    none = subprocess.DEVNULL
    arguments = [*shlex.split(command), said]
    subprocess.run(arguments, check=True, timeout=COMMAND_SECONDS, stdin=none, stdout=none, stderr=none)  # noqa: S603

"""HTTPS requests that carry a secret: to the named host only, never redirected, never to a file."""

import urllib.parse
import urllib.request
from collections.abc import Mapping

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_safe(url: str) -> bool:
    """Return whether an address is https, or http on this very machine."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def send(url: str, data: bytes | None, headers: Mapping[str, str], method: str, timeout: float) -> bytes:
    """Send one request and return the body of a good answer.

    Raises:
        ValueError: the address is not safe. OSError, http.client.HTTPException: no answer, a bad one, or a status
            that is not 2xx, a redirect among them.
    """
    if not is_safe(url):
        raise ValueError("it is not https")
    opener = urllib.request.OpenerDirector()  # the default one follows redirects, and opens files
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(url, data, dict(headers), method=method)  # noqa: S310 - checked above
    with opener.open(request, timeout=timeout) as answer:
        body: bytes = answer.read()
    return body

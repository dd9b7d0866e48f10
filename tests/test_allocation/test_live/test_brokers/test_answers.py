"""Whatever a broker answers is understood or is one BrokerError; keys go to one host and come back to nobody."""

import copy
import json
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest
from fake_alpaca import KEYS, Exchange, serving
from live_support import SESSIONS, market

from allocation.live import AlpacaBroker, BrokerError, Order, OrderState, web
from allocation.live.broker import Account, AssetTerms

PRICES = market().close.loc[SESSIONS[10]].to_dict()
BUY = Order("nf-1", "AAA", 2.5, 50.0)
ODD = [None, [], {}, "", "nan", "inf", "1e999", True, -1, 10**400, "\x1b[2J", "x" * 9999, [[]], {"a": {}}, "2022-09-20"]


def valid_answers():
    """One good answer for every request, by path."""
    exchange = Exchange(prices=PRICES, now="2022-09-20T20:35:00Z")
    exchange.submit({"client_order_id": "nf-1", "symbol": "AAA", "qty": "2.5", "side": "buy"})
    exchange.fill()
    asked = [
        ("GET", "/v2/account"), ("GET", "/v2/positions"), ("GET", "/v2/orders?status=open&limit=500"),
        ("GET", "/v2/orders:by_client_order_id?client_order_id=nf-1"), ("GET", "/v2/assets/AAA"), ("GET", "/v2/clock"),
    ]  # fmt: skip
    return {path: exchange.answer(method, path, None)[1] for method, path in asked}


def spoiled(value, draw):
    """Change one place of an answer, wherever it lies."""
    value = copy.deepcopy(value)
    if isinstance(value, dict) and value and draw.random() < 0.8:
        key = draw.choice(sorted(value))
        if draw.random() < 0.2:
            del value[key]
        else:
            value[key] = spoiled(value[key], draw)
        return value
    if isinstance(value, list) and value and draw.random() < 0.7:
        place = draw.randrange(len(value))
        value[place] = spoiled(value[place], draw)
        return value
    return draw.choice(ODD)


def test_two_thousand_malformed_answers_are_errors_of_one_line(monkeypatch):
    draw, good = random.Random(1), valid_answers()  # noqa: S311 - the same odd answers each time
    broker = AlpacaBroker(*KEYS, "http://127.0.0.1:1", pause=0.0)
    calls = {
        "account": (broker.account, Account), "state": (lambda: broker.state("nf-1"), OrderState),
        "terms": (lambda: broker.terms(["AAA"]), dict), "clock": (broker.clock, pd.Timestamp),
        "submit": (lambda: broker.submit(BUY), OrderState),
    }  # fmt: skip
    posted, seen = [], {"error": 0, "answer": 0}

    def send(url, data, headers, method, timeout):
        path = url.removeprefix("http://127.0.0.1:1")
        posted.append(data) if method == "POST" else None
        text = json.dumps(spoiled(good.get(path, good["/v2/orders:by_client_order_id?client_order_id=nf-1"]), draw))
        return (text[: draw.randrange(len(text))] if draw.random() < 0.1 else text).encode()

    monkeypatch.setattr(web, "send", send)
    for _ in range(2100):
        call, kind = calls[draw.choice(sorted(calls))]
        try:
            answer = call()
        except BrokerError as error:
            said = str(error)
            seen["error"] += 1
        else:
            assert isinstance(answer, kind)
            said = "understood"
            seen["answer"] += 1
        assert said.isprintable()
    assert min(seen.values()) > 100
    assert {json.loads(data)["client_order_id"] for data in posted} == {"nf-1"}


def test_good_answers_are_understood(monkeypatch):
    good = valid_answers()
    broker = AlpacaBroker(*KEYS, "http://127.0.0.1:1", pause=0.0)
    monkeypatch.setattr(web, "send", lambda url, *_: json.dumps(good[url.removeprefix("http://127.0.0.1:1")]).encode())
    assert broker.account().shares == {"AAA": 2.5}
    assert broker.state("nf-1") == OrderState("nf-1", "filled", 2.5, PRICES["AAA"])
    assert broker.terms(["AAA"]) == {"AAA": AssetTerms()}
    assert broker.clock() == pd.Timestamp("2022-09-20T20:35:00Z")


ODD_ANSWERS = {
    "a list for an account": ((200, {}, "[]"), "GET /v2/account: the answer is a list, not an object"),
    "no cash": ((200, {}, "{}"), "GET /v2/account: cash is missing, not a number"),
    "null": ((200, {}, '{"cash": null}'), "GET /v2/account: cash is None, not a number"),
    "text": ((200, {}, '{"cash": "much"}'), "GET /v2/account: cash is 'much', not a number"),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_error_names_the_request_the_field_and_the_value(name):
    answer, complaint = ODD_ANSWERS[name]
    exchange = Exchange(prices=PRICES, trouble=[answer])
    with serving(exchange) as url, pytest.raises(BrokerError, match=complaint):
        AlpacaBroker(*KEYS, url, pause=0.01).account()


def test_a_clock_without_a_zone_is_none():
    exchange = Exchange(prices=PRICES, now="2022-09-20T20:35:00")
    with serving(exchange) as url, pytest.raises(BrokerError, match="GET /v2/clock: timestamp is .*a time with its zo"):
        AlpacaBroker(*KEYS, url, pause=0.01).clock()


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", b""])
def test_a_line_that_is_cut_or_no_http_is_no_answer(raw):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.wfile.write(raw)
            self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        broker = AlpacaBroker(*KEYS, f"http://127.0.0.1:{server.server_address[1]}", pause=0.01)
        with pytest.raises(BrokerError, match="did not answer GET /v2/clock in 4 tries"):
            broker.clock()
    finally:
        server.shutdown()
        server.server_close()


def test_keys_follow_no_redirect():
    elsewhere = Exchange(prices=PRICES)
    with serving(elsewhere) as other:
        exchange = Exchange(prices=PRICES, trouble=[(302, {"Location": f"{other}/v2/account"}, "{}")])
        with serving(exchange) as url, pytest.raises(BrokerError, match="GET /v2/account: HTTP 302"):
            AlpacaBroker(*KEYS, url, pause=0.01).account()
    assert elsewhere.asked == []


@pytest.mark.parametrize("url", ["http://example.org", "file:///etc/passwd", "file://localhost/etc/passwd", "ftp://x"])
def test_keys_are_sent_to_https_only(url):
    with pytest.raises(BrokerError, match="is not an https address: keys are sent nowhere else"):
        AlpacaBroker(*KEYS, url)
    with pytest.raises(ValueError, match="it is not https"):
        web.send(url, None, {}, "GET", 1.0)


def test_keys_that_a_broker_echoes_reach_nobody():
    echoed = json.dumps({"message": f"no order for {KEYS[0]}:{KEYS[1]}\x1b[2J"})
    exchange = Exchange(prices=PRICES, trouble=[(422, {}, echoed), (404, {}, echoed)])
    with serving(exchange) as url:
        state = AlpacaBroker(*KEYS, url, pause=0.01).submit(BUY)
    assert state.reason == "no order for ***:*** [2J"

"""A server on loopback that behaves as Alpaca documents its trading API, and can be told to misbehave."""

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

WORKING = ("accepted", "partially_filled")
KEYS = ("PKTESTKEY0001", "s3cret-that-nobody-may-see")


@dataclass
class Exchange:
    """The account behind the server. trouble: answers to give before any other, (status, headers, body) or None to
    drop the connection after the work is done."""

    cash: float = 100_000.0
    positions: dict = field(default_factory=dict)
    prices: dict = field(default_factory=dict)
    orders: dict = field(default_factory=dict)
    halted: set = field(default_factory=set)
    delisted: set = field(default_factory=set)
    whole: set = field(default_factory=set)  # traded in whole shares only
    long_only: set = field(default_factory=set)
    trouble: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    power: float | None = None
    now: str | None = None

    def submit(self, body):
        name = body["client_order_id"]
        if name in self.orders:
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        if body["symbol"] not in self.prices:
            return 422, {"code": 42210000, "message": f'asset "{body["symbol"]}" not found'}
        cost = float(body["qty"]) * self.prices[body["symbol"]]
        if body["side"] == "buy" and cost > self.buying_power():
            return 403, {"code": 40310000, "message": "insufficient buying power"}
        self.orders[name] = body | {"id": f"id-{len(self.orders)}", "status": "accepted", "filled_qty": "0",
                                    "filled_avg_price": None}  # fmt: skip
        return 200, self.orders[name]

    def buying_power(self):
        """Of a cash account: what no working buy will need."""
        if self.power is not None:
            return self.power
        buys = (o for o in self.orders.values() if o["side"] == "buy" and o["status"] in WORKING)
        return self.cash - sum((float(o["qty"]) - float(o["filled_qty"])) * self.prices[o["symbol"]] for o in buys)

    def fill(self, share=1.0):
        """Fill this share of what is left of every working order, at the prices there are."""
        for order in self.orders.values():
            left = float(order["qty"]) - float(order["filled_qty"])
            if order["status"] not in WORKING or not left * share:
                continue
            shares, price = left * share, self.prices[order["symbol"]]
            sign = 1.0 if order["side"] == "buy" else -1.0
            self.cash -= sign * shares * price
            self.positions[order["symbol"]] = self.positions.get(order["symbol"], 0.0) + sign * shares
            before = float(order["filled_qty"])
            paid = before * float(order["filled_avg_price"] or 0.0) + shares * price
            order["filled_qty"] = repr(before + shares)
            order["filled_avg_price"] = repr(paid / (before + shares))
            order["status"] = "filled" if share == 1.0 else "partially_filled"
        self.positions = {a: n for a, n in self.positions.items() if abs(n) > 1e-9}

    def answer(self, method, url, body):
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if (method, parts.path) == ("POST", "/v2/orders"):
            return self.submit(body)
        if parts.path == "/v2/account":
            return 200, {"cash": repr(self.cash), "buying_power": repr(self.buying_power()), "trading_blocked": False}
        if parts.path == "/v2/positions":
            return 200, [{"symbol": a, "qty": repr(n), "current_price": repr(self.prices[a])}
                         for a, n in self.positions.items()]  # fmt: skip
        if parts.path == "/v2/clock":
            return 200, {"timestamp": self.now or datetime.now(UTC).isoformat(), "is_open": False}
        if parts.path == "/v2/orders":
            return 200, [o for o in self.orders.values() if o["status"] in WORKING]
        if parts.path == "/v2/orders:by_client_order_id":
            found = self.orders.get(query["client_order_id"])
            return (200, found) if found else (404, {"code": 40410000, "message": "order not found"})
        symbol = parts.path.removeprefix("/v2/assets/")
        if symbol not in self.prices:
            return 404, {"code": 40410000, "message": f"asset not found for {symbol}"}
        status = "inactive" if symbol in self.delisted else "active"
        return 200, {"symbol": symbol, "status": status, "tradable": symbol not in self.halted | self.delisted,
                     "fractionable": symbol not in self.whole, "shortable": symbol not in self.long_only}  # fmt: skip


@contextmanager
def serving(exchange):
    """Serve an Exchange on a free port; yield its URL."""
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def reply(self, method):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            exchange.asked.append((method, self.path))
            trouble = exchange.trouble.pop(0) if exchange.trouble else ()
            if trouble:
                return self.send(*trouble)
            if (self.headers["APCA-API-KEY-ID"], self.headers["APCA-API-SECRET-KEY"]) != KEYS:
                return self.send(401, {}, json.dumps({"message": "unauthorized."}))
            with one_at_a_time:
                status, answer = exchange.answer(method, self.path, body)
            if trouble is None:  # the work is done and the answer lost
                self.close_connection = True
                return self.connection.close()
            return self.send(status, {}, json.dumps(answer))

        def send(self, status, headers, text):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self):
            self.reply("GET")

        def do_POST(self):
            self.reply("POST")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client that was killed
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()

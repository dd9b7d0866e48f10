"""Alpaca's trading API over plain HTTPS: five calls, which need no client library."""

import http.client
import json
import os
import time
import urllib.error
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from allocation.execution.sizing import Order
from allocation.live import web
from allocation.live.broker import Account, AssetTerms, OrderState
from allocation.live.brokers.answers import Answer
from allocation.live.errors import BrokerError, NoAnswerError
from newsfolio.shared.text_table import printable

PAPER = "https://paper-api.alpaca.markets"
KEY, SECRET, URL = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "APCA_API_BASE_URL"
TRIES = 4  # of a request that the limit of 200 a minute, or the server, turned away
HIDDEN = "***"
MOST_WAIT = 30.0  # seconds between two of them
STATUS = {
    "filled": "filled",
    "rejected": "rejected",
    "canceled": "cancelled",
    "expired": "expired",
    "partially_filled": "partial",
    "done_for_day": "expired",  # day orders are all that is sent
    "replaced": "cancelled",
}  # every other status is one of an order that still works


class _NotFoundError(BrokerError):
    """404: no such order, asset or account."""


class _RefusedError(BrokerError):
    """403 or 422: understood and refused, with the broker's reason."""


@dataclass(frozen=True)
class AlpacaBroker:
    """See Broker. Market orders for the day, in shares; sent after the close they wait for the next open."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    url: str = PAPER
    timeout: float = 20.0
    pause: float = 1.0
    name: str = "alpaca"
    simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse an address that keys must not be sent to."""
        if not web.is_safe(self.url):
            raise BrokerError(f"{URL} is not an https address: keys are sent nowhere else")

    @classmethod
    def from_environment(cls) -> "AlpacaBroker":
        """Take keys and, where it is not the paper account, the URL from the environment, and from nowhere else.

        Raises:
            BrokerError: a key is not set, or the URL is not https (other than to this very machine).
        """
        missing = [name for name in (KEY, SECRET) if not os.environ.get(name)]
        if missing:
            raise BrokerError(f"{' and '.join(missing)} not set: export the keys of your Alpaca account")
        return cls(os.environ[KEY], os.environ[SECRET], os.environ.get(URL, PAPER).rstrip("/"))

    def account(self) -> Account:
        """Return cash, positions, buying power and working orders as Alpaca states them."""
        account = self._one("GET", "/v2/account")
        if account.flag("trading_blocked") or account.flag("account_blocked"):
            raise BrokerError("Alpaca: the account is blocked from trading: see its dashboard")
        positions = self._many("/v2/positions")
        stated = {each.text("symbol"): each.number_or_none("current_price") for each in positions}
        return Account(
            cash=account.number("cash"),
            shares={each.text("symbol"): each.number("qty") for each in positions},
            buying_power=account.number("buying_power"),
            working=tuple(each.text("client_order_id") for each in self._many("/v2/orders?status=open&limit=500")),
            prices={asset: price for asset, price in stated.items() if price},
        )

    def submit(self, order: Order) -> OrderState:
        """Send a market order; Alpaca takes each client id once, and a second try gets the first one's state."""
        body = {
            "symbol": order.asset,
            "qty": f"{abs(order.shares):.9f}".rstrip("0").rstrip("."),
            "side": "buy" if order.shares > 0 else "sell",
            "type": "market",
            "time_in_force": "day",
            "client_order_id": order.client_id,
        }
        try:
            return _state(self._one("POST", "/v2/orders", body), order.client_id)
        except _RefusedError as refusal:
            known = self.state(order.client_id)  # sent before, and the answer was lost
            return known or OrderState(order.client_id, "rejected", reason=str(refusal))

    def state(self, client_id: str) -> OrderState | None:
        """Return how far an order is."""
        asked = urllib.parse.urlencode({"client_order_id": client_id})
        try:
            return _state(self._one("GET", f"/v2/orders:by_client_order_id?{asked}"), client_id)
        except _NotFoundError:
            return None

    def terms(self, assets: Sequence[str]) -> dict[str, AssetTerms]:
        """Ask about each asset: unknown, inactive, not tradable now, in fractions, short."""
        found = {}
        for asset in assets:
            try:
                answer = self._one("GET", f"/v2/assets/{urllib.parse.quote(asset, safe='')}")
            except _NotFoundError:
                found[asset] = AssetTerms("Alpaca does not know it")
                continue
            refusal = None if answer.flag("tradable") else "is halted or not traded at Alpaca"
            if answer.text("status") != "active":
                refusal = "is no longer listed at Alpaca"
            found[asset] = AssetTerms(refusal, answer.flag("fractionable"), answer.flag("shortable"))
        return found

    def clock(self) -> pd.Timestamp | None:
        """Return Alpaca's time."""
        return self._one("GET", "/v2/clock").moment("timestamp")

    def _one(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Answer:
        return Answer.of(self._ask(method, path, body), f"{method} {path.split('?')[0]}", self._clean)

    def _many(self, path: str) -> list[Answer]:
        return Answer.list_of(self._ask("GET", path), f"GET {path.split('?')[0]}", self._clean)

    def _clean(self, said: str) -> str:
        """The broker's words without our keys, which a proxy may echo, and without control characters."""
        for secret in (self.key, self.secret):
            said = said.replace(secret, HIDDEN)
        return printable(said)

    def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        """One request, repeated where the answer was lost or put off; a repeated order is the same order."""
        headers = {"APCA-API-KEY-ID": self.key, "APCA-API-SECRET-KEY": self.secret, "Content-Type": "application/json"}
        data, asked, reason = None if body is None else json.dumps(body).encode(), f"{method} {path.split('?')[0]}", ""
        for attempt in range(TRIES):
            wait = None
            try:
                return json.loads(web.send(self.url + path, data, headers, method, self.timeout))
            except urllib.error.HTTPError as error:
                if error.code != 429 and error.code < 500:
                    raise self._refusal(error, asked) from None
                after = error.headers.get("Retry-After", "")
                reason, wait = f"HTTP {error.code}", float(after) if after.isdecimal() else None
            except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
                reason = type(error).__name__
            if attempt + 1 < TRIES:
                time.sleep(min(MOST_WAIT, self.pause * 2.0**attempt if wait is None else wait))
        raise NoAnswerError(f"Alpaca did not answer {asked} in {TRIES} tries: {reason}")

    def _refusal(self, error: urllib.error.HTTPError, asked: str) -> Exception:
        try:
            reason = self._clean(str(json.loads(error.read())["message"]))[:200]
        except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException, RecursionError):
            reason = "no reason given"
        if error.code == 404:
            return _NotFoundError(f"Alpaca: {asked}: {reason}")
        if error.code == 401 or (error.code == 403 and "order" not in asked):
            return BrokerError(f"Alpaca refuses the keys ({error.code}): see {KEY}, {SECRET} and {URL}")
        if error.code in (403, 422):
            return _RefusedError(reason)
        return BrokerError(f"Alpaca: {asked}: HTTP {error.code}: {reason}")


def broker_named(name: str) -> AlpacaBroker | None:
    """Return a client of a real broker; None for one on paper, which lives in the ledger.

    Raises:
        BrokerError: no such broker, or its keys are not set.
    """
    if name == "alpaca":
        return AlpacaBroker.from_environment()
    if name != "paper":
        raise BrokerError(f"broker {name!r} is not known: use paper or alpaca")
    return None


def _state(answer: Answer, client_id: str) -> OrderState:
    side = answer.text("side")
    if side not in ("buy", "sell") or answer.text("client_order_id") != client_id:
        raise BrokerError(f"Alpaca: {answer.asked}: the answer is about another order, or about none")
    status = STATUS.get(answer.text("status"), "accepted")
    filled = (1.0 if side == "buy" else -1.0) * abs(answer.number_or_none("filled_qty") or 0.0)
    price = answer.number_or_none("filled_avg_price")
    if filled and price is None:
        raise BrokerError(f"Alpaca: {answer.asked}: shares were filled and no price is stated")
    if status == "accepted" and filled:
        status = "partial"
    return OrderState(client_id, status, filled, price)

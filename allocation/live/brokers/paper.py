"""A broker on paper, kept in the ledger: it fills what was ordered at the next session's open, at the stated cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from sqlalchemy import Connection, insert, select

from allocation.errors import AllocationError
from allocation.execution.costs import Costs
from allocation.execution.sizing import Order
from allocation.live.broker import Account, AssetTerms, OrderState
from allocation.live.errors import BrokerError, LedgerError
from allocation.live.ledger import tables
from allocation.live.ledger.database import Ledger
from allocation.live.ledger.events import SPLIT, AccountEvent, write_events
from allocation.live.ledger.journal import read_state, unended_orders, write_state

SAME = 1e-6  # relative difference of two factors that are the same split or dividend, in a vendor's rounding


@dataclass(frozen=True)
class PaperAccount:
    """Cash and positions (asset × shares, close, earlier): closes of `session` and of the one before it, as they
    were when the shares were counted. Shares are in units of those prices, which a split or dividend rewrites.
    """

    session: pd.Timestamp | None
    cash: float
    positions: pd.DataFrame


@dataclass(frozen=True)
class PaperBroker:
    """See Broker. costs: of trading (a number: a fraction of the traded value). It charges nothing for holding and
    knows no market impact.
    """

    ledger: Ledger
    costs: Costs | float
    name: str = "paper"
    simulated: bool = True

    def __post_init__(self) -> None:
        """Refuse costs that are not charged on paper."""
        costs = Costs.of(self.costs)
        if costs.impact is not None or costs.accrue:
            raise AllocationError(
                "an account on paper charges commissions and spread only: leave impact, borrow, cash_yield and loan "
                "out of its costs"
            )

    def book(self) -> PaperAccount:
        """Return the newest book.

        Raises:
            LedgerError: no account was opened.
        """
        with self.ledger.transaction() as connection:
            return read_book(connection)

    def account(self) -> Account:
        """Return cash and shares; all of the cash may be spent."""
        book = self.book()
        shares = book.positions["shares"]
        with self.ledger.transaction() as connection:
            working = tuple(
                order.client_id for order in unended_orders(connection) if read_state(connection, order.client_id)
            )
        return Account(book.cash, {str(a): float(n) for a, n in shares.items() if n}, book.cash, working)

    def submit(self, order: Order) -> OrderState:
        """Take the order; it is filled by `open_session`."""
        return self.state(order.client_id) or OrderState(order.client_id, "accepted")

    def state(self, client_id: str) -> OrderState | None:
        """Return what the ledger says, which is all there is."""
        with self.ledger.transaction() as connection:
            return read_state(connection, client_id)

    def terms(self, assets: Sequence[str]) -> dict[str, AssetTerms]:
        """On paper everything trades."""
        return dict.fromkeys(assets, AssetTerms())

    def clock(self) -> pd.Timestamp | None:
        """Paper has no clock."""
        return None

    def mark(self, closes: pd.DataFrame, corrected: Mapping[str, float], now: datetime) -> pd.Series:
        """Follow splits and dividends and count the shares anew at the last row of `closes` (sessions × assets).

        Prices are adjusted: when a vendor rewrites history for a split or dividend, the same money is more shares
        of cheaper history. corrected: by asset of `corrected_prices`, what its shares are multiplied by, which prices
        do not say; 1.0 where it was not split.
        Returns the factor by asset where shares changed. All or nothing, and nothing the second time.
        """
        book = self.book()
        session = closes.index[-1]
        if book.session is None or not len(book.positions):
            return pd.Series(dtype=float)
        ratios = pd.Series(dict(corrected), dtype=float)
        factor = revisions(book, closes)["factor"]
        factor = factor.where(~factor.index.isin(ratios.index), ratios.reindex(factor.index))
        if session == book.session and (factor == 1.0).all():
            return pd.Series(dtype=float)
        shares = book.positions["shares"] * factor
        with self.ledger.transaction() as connection:
            write_book(connection, "mark" if (factor == 1.0).all() else SPLIT, _counted(shares, book.cash, closes))
            added = (shares - book.positions["shares"])[factor != 1.0]
            write_events(connection, [AccountEvent(SPLIT, str(asset), float(by)) for asset, by in added.items()], now)
        return factor[factor != 1.0]

    def open_session(self, opens: pd.Series, closes: pd.DataFrame, now: datetime) -> list[tuple[Order, OrderState]]:
        """Fill every accepted order at `opens` (by asset), sells first; return what became of each.

        An asset without an open does not trade: its order expires. A buy that the cash no longer pays for is
        rejected. closes: sessions × assets up to the last known one, to count the shares at.
        """
        book = self.book()
        with self.ledger.transaction() as connection:
            working = [order for order in unended_orders(connection) if read_state(connection, order.client_id)]
            if not working:
                return []
            states = []
            shares, cash = book.positions["shares"].to_dict(), book.cash
            for order in working:
                state = self._filled(order, opens.get(order.asset, np.nan), cash)
                states.append((order, state))
                write_state(connection, state, now)
                shares[order.asset] = shares.get(order.asset, 0.0) + state.filled
                cash -= state.filled * (state.price or 0.0) + state.cost
            held = pd.Series({asset: count for asset, count in shares.items() if count}, dtype=float)
            write_book(connection, "fill", _counted(held, cash, closes))
        return states

    def _filled(self, order: Order, price: float, cash: float) -> OrderState:
        if not price > 0.0:
            return OrderState(order.client_id, "expired", reason="the asset did not trade")
        paid = order.shares * price
        cost = order.cost(Costs.of(self.costs), price)
        # Sized at these very prices, a basket may miss the cash by the last bits of a double.
        if order.shares > 0 and paid + cost > cash + 1e-9 * abs(paid):
            return OrderState(order.client_id, "rejected", reason=f"costs {paid + cost:,.2f}, cash is {cash:,.2f}")
        return OrderState(order.client_id, "filled", order.shares, price, cost)


def revisions(book: PaperAccount, closes: pd.DataFrame) -> pd.DataFrame:
    """Return, by held asset, by what `closes` were divided since the book was counted: `factor` at its session,
    `earlier` at the one before. A split or dividend divides both alike; a corrected price only one.

    Raises:
        BrokerError: the prices do not reach back to the book's session.
    """
    held = book.positions
    absent = held.index.difference(closes.columns)
    if book.session not in closes.index or len(absent):
        lacking = f"the asset {absent[0]}" if len(absent) else f"the session {book.session:%Y-%m-%d}"
        raise BrokerError(
            f"prices lack {lacking}, which the paper account was counted at: "
            "give a longer history, or `newsfolio account rename` or `close` the asset"
        )
    place = closes.index.get_loc(book.session)
    known = closes.ffill().iloc[: place + 1][held.index]  # type: ignore[operator]
    earlier = held["earlier"] / known.iloc[-2] if len(known) > 1 else held["earlier"] * np.nan
    return pd.DataFrame({"factor": held["close"] / known.iloc[-1], "earlier": earlier})


def corrected_prices(book: PaperAccount, closes: pd.DataFrame) -> pd.DataFrame:
    """Return the revisions of held assets whose last known prices were changed, and not by one factor.

    unclear: neither price stayed as it was, so that the asset may have been split too: which of the two factors is
    the split's, and which that of a correction, cannot be seen.
    """
    if book.session is None or not len(book.positions):
        return pd.DataFrame({"factor": [], "earlier": [], "unclear": pd.Series(dtype=bool)})
    changed = revisions(book, closes)
    same = (changed - 1.0).abs() <= SAME
    alike = (changed["factor"] / changed["earlier"] - 1.0).abs() <= SAME
    unchanged = same["factor"] & changed["earlier"].isna()
    return changed.assign(unclear=~same.any(axis=1))[~(alike | unchanged)]


def _counted(shares: pd.Series, cash: float, closes: pd.DataFrame) -> PaperAccount:
    known = closes.ffill()[shares.index]
    earlier = known.iloc[-2] if len(known) > 1 else known.iloc[-1] * np.nan
    positions = pd.DataFrame({"shares": shares, "close": known.iloc[-1], "earlier": earlier})
    return PaperAccount(closes.index[-1], cash, positions)


def read_book(connection: Connection) -> PaperAccount:
    """Return the newest book of a paper account."""
    books, positions = tables.books, tables.positions
    row = connection.execute(select(books).order_by(books.c.id.desc()).limit(1)).first()
    if row is None:
        raise LedgerError("no account is open in this ledger: `newsfolio account open --cash AMOUNT` opens one")
    columns = ["asset", "shares", "close", "earlier"]
    held = connection.execute(select(*(positions.c[name] for name in columns)).where(positions.c.book == row.id))
    frame = pd.DataFrame(held.all(), columns=columns).set_index("asset").sort_index().astype(float)
    return PaperAccount(None if row.session is None else pd.Timestamp(row.session), row.cash, frame)


def write_book(connection: Connection, cause: str, book: PaperAccount) -> None:
    """Add a book: what is held from now on."""
    session = None if book.session is None else book.session.date()
    made = connection.execute(insert(tables.books).values(session=session, cause=cause, cash=book.cash))
    number = int(made.inserted_primary_key[0])  # type: ignore[index]
    rows = [
        {
            "book": number,
            "asset": str(asset),
            "shares": shares,
            "close": close,
            "earlier": None if pd.isna(earlier) else earlier,
        }
        for asset, shares, close, earlier in book.positions[["shares", "close", "earlier"]].itertuples()
    ]
    if rows:
        connection.execute(insert(tables.positions), rows)

"""Guards: what must hold before anything is decided or sent; each has a name under which a person may allow it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from allocation.errors import AllocationError
from allocation.frames import named, sessions_of
from allocation.live.broker import Account, AssetTerms
from allocation.live.ledger.journal import Decision

GuardFinding = tuple[str, str]  # the guard's name, and what it found
DUST = 1e-9  # of NAV: what the last bits of doubles make of a cash of 0

NAMES = {
    "stale-prices": "the session's prices are missing, or too few assets have one",
    "stale-news": "the newest news is too old",
    "revised-prices": "the vendor changed past prices of a held asset, not by a split or dividend",
    "price-jump": "a price moved more in one session than prices do",
    "coverage": "too few assets have a signal",
    "model": "the model is not the one of the last decision",
    "config": "the strategy file or a setting is not that of the last decision",
    "weight": "a target weight is above the limit",
    "turnover": "the decision would trade more of the portfolio than the limit",
    "idle": "the strategy holds everything though nothing is held",
    "borrow": "the targets would borrow cash",
    "account": "the account owes cash, or is worth nothing",
    "reconcile": "the broker's holdings are not what the ledger says",
    "working": "orders that this decision does not know are still working at the broker",
    "untradable": "the broker does not trade an asset now",
    "price-differs": "the broker's last price of a holding is not near the close that orders are sized with",
    "late": "the session in which the orders should be filled has opened already",
    "clock": "the clocks of this machine, the ledger and the broker disagree",
    "ledger": "the ledger at this place is another than the last run's, or an older copy of it",
}


@dataclass(frozen=True)
class Limits:
    """Where guards stop a step. Fractions of NAV or of the number of assets; news_age in days before the close.

    allowed: guards whose findings are let through; real_jumps: assets whose price jumps are. splits: on paper, by asset
    whose past prices were corrected, what its shares are multiplied by since the last step; 1 where it was not split.
    """

    weight: float = 0.5
    turnover: float = 0.5
    coverage: float = 0.2
    priced: float = 0.9
    price_jump: float = 0.5
    price_difference: float = 0.1
    news_age: float = 4.0
    allowed: frozenset[str] = frozenset()
    real_jumps: frozenset[str] = frozenset()
    splits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """A name that no guard has would allow nothing, and NaN would hold nothing."""
        unknown = sorted(self.allowed - set(NAMES))
        if unknown:
            raise AllocationError(f"no guard is called {named(unknown)}: the guards are {', '.join(NAMES)}")
        wrong = [f"{asset}={ratio:g}" for asset, ratio in self.splits.items() if not 0.0 < ratio < np.inf]
        if wrong:
            raise AllocationError(f"no split has the ratio of {named(wrong)}: write 2 where one share became two")
        limits = {
            "weight": self.weight,
            "turnover": self.turnover,
            "coverage": self.coverage,
            "share of priced": self.priced,
            "price jump": self.price_jump,
            "price difference": self.price_difference,
            "age of news": self.news_age,
        }
        for name, limit in limits.items():
            if not limit >= 0.0:
                raise AllocationError(
                    f"the guards' limit of {name} is {limit:g}: write a number >= 0, inf for no limit"
                )


@dataclass(frozen=True)
class GuardContext:
    """What guards look at: frames up to the session's close, and the account with its worth. since: the session of the
    last decision, after which every close is checked; without one the last is.
    """

    closes: pd.DataFrame
    signal: pd.DataFrame | None
    newest_news: pd.Timestamp | None
    account: Account
    nav: float
    since: pd.Timestamp | None = None


def before_deciding(now: GuardContext, limits: Limits) -> Iterator[GuardFinding]:
    """Look at data and account."""
    yield from _prices(now.closes, now.since, limits)
    yield from _news(now, limits)
    if now.account.cash < -DUST * now.nav:
        yield "account", f"the account's cash is {now.account.cash:,.2f}"


def _prices(closes: pd.DataFrame, since: pd.Timestamp | None, limits: Limits) -> Iterator[GuardFinding]:
    last = closes.iloc[-1]
    unpriced = last.index[last.isna()]
    if len(unpriced) > (1.0 - limits.priced) * len(last):
        yield "stale-prices", f"{named(unpriced)} of {len(last)} assets have no price at {closes.index[-1]:%Y-%m-%d}"
    moves = (closes / closes.ffill().shift() - 1.0).abs()
    moves = moves.iloc[-1:] if since is None else moves.loc[sessions_of(moves) > since]
    jumped = {
        f"{asset} moved {size:.0%} at {day:%Y-%m-%d}"
        for day, row in zip(sessions_of(moves), moves.to_numpy(), strict=True)
        for asset, size in zip(closes.columns, row, strict=True)
        if size > limits.price_jump and asset not in limits.real_jumps
    }
    if jumped:
        yield "price-jump", f"{named(sorted(jumped))}, in one session"


def _news(now: GuardContext, limits: Limits) -> Iterator[GuardFinding]:
    if now.signal is not None:
        covered = float(now.signal.iloc[-1].notna().mean())
        if covered < limits.coverage:
            yield "coverage", f"{covered:.0%} of assets have a signal, the limit is {limits.coverage:.0%}"
    if pd.isna(now.newest_news) and now.newest_news is not None:
        yield "stale-news", f"there is no headline up to {now.closes.index[-1]:%Y-%m-%d}"
    elif now.newest_news is not None:
        age = (now.closes.index[-1] + pd.Timedelta(days=1)).tz_localize("UTC") - now.newest_news
        if age > pd.Timedelta(days=limits.news_age):
            yield "stale-news", f"the newest headline is of {now.newest_news:%Y-%m-%d %H:%M} UTC"


def changed(last: Decision | None, model: str, strategy: str, config: str) -> Iterator[GuardFinding]:
    """Compare with what the last decision followed from."""
    if last is None:
        return
    when, made = f"{last.session:%Y-%m-%d}", last.provenance
    if made.model != model:
        yield "model", f"the model is {model[:12]}, at {when} it was {made.model[:12]}"
    if made.strategy != strategy:
        yield "config", f"the strategy file has changed since {when}"
    if made.config != config:
        yield "config", f"settings have changed since {when}"


def open_jumps(marks: pd.DataFrame, opens: pd.DataFrame, row: int, limits: Limits) -> Iterator[GuardFinding]:
    """Compare the prices that a session opens with (row `row` of opens) and the closes before."""
    if row:
        moves = (opens.iloc[row] / marks.iloc[row - 1] - 1.0).abs()
        jumped = moves.index[(moves > limits.price_jump) & ~moves.index.isin(list(limits.real_jumps))]
        if len(jumped):
            said = named(f"{asset} opened {moves[asset]:.0%} off" for asset in jumped)
            yield "price-jump", f"{said} the close before, at {opens.index[row]:%Y-%m-%d}"


def price_differences(closes: pd.Series, account: Account, limits: Limits) -> Iterator[GuardFinding]:
    """Compare the closes that orders are sized with and what the broker says the holdings are worth now."""
    stated = pd.Series(dict(account.prices), dtype=float)
    off = (stated / closes.reindex(stated.index) - 1.0).abs()
    differing = off.index[off > limits.price_difference]
    if len(differing):
        said = (f"{a}: the broker has {stated[a]:g}, the close is {closes[a]:g}" for a in differing)
        yield "price-differs", named(said)


def untradable(targets: pd.Series, terms: Mapping[str, AssetTerms], lot: float) -> Iterator[GuardFinding]:
    """Look at how the broker trades what a decision trades."""
    for asset, trades in terms.items():
        if trades.refusal is not None:
            yield "untradable", f"{asset}: {trades.refusal}"
        elif not trades.fractionable and (lot == 0.0 or lot % 1.0):
            yield "untradable", f"{asset}: trades in whole shares only: use --lot 1"
        elif targets[asset] < 0.0 and not trades.shortable:
            yield "untradable", f"{asset}: cannot be sold short, and its target is {targets[asset]:.1%}"


def after_deciding(targets: pd.Series, held: pd.Series, limits: Limits) -> Iterator[GuardFinding]:
    """Look at what the strategy wants."""
    large = targets.index[targets.abs() > limits.weight]
    if len(large):
        yield "weight", f"{named(f'{a} {targets[a]:.1%}' for a in large)}, the limit is {limits.weight:.0%}"
    after = targets.fillna(held)
    if float(after.sum()) > 1.0 + 1e-6:
        yield "borrow", f"the targets sum to {after.sum():.4f} of NAV"
    if (held == 0.0).all():
        if targets.isna().all():
            yield "idle", "the strategy returned no weight, and nothing is held"
        return  # the first investment trades all there is
    change = after - held
    turnover = float(max(change.clip(lower=0.0).sum(), -change.clip(upper=0.0).sum()))
    if turnover > limits.turnover:
        yield "turnover", f"{turnover:.0%} of NAV would be traded one way, the limit is {limits.turnover:.0%}"


def unreconciled(expected: pd.Series, account: Account) -> Iterator[GuardFinding]:
    """Compare shares by asset: what the ledger makes of its last valuation and the fills since, and the broker's."""
    stated = pd.Series(dict(account.shares), dtype=float)
    labels = expected.index.union(stated.index)
    ours, theirs = (shares.reindex(labels, fill_value=0.0) for shares in (expected, stated))
    off = labels[(ours - theirs).abs() > 1e-6 * np.maximum(1.0, ours.abs())]
    if len(off):
        yield "reconcile", named(f"{a}: the broker has {theirs[a]:g}, the ledger {ours[a]:g}" for a in off)

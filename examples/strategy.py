"""A strategy is a file with a function policy(); the same file serves every backtest and rebalancing."""

from allocation import LongOnly, MaxWeight, MinCash, Policy, SentimentPolicy


def policy() -> Policy:
    """Sentiment around equal weights, long only, at most 20 % in one asset, 2 % in cash."""
    return SentimentPolicy(risk_aversion=5.0, cost=0.001, constraints=(LongOnly(), MaxWeight(0.20), MinCash(0.02)))

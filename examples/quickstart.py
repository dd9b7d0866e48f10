"""Twenty lines from headlines to a backtest, on a simulated market: python examples/quickstart.py"""

from allocation import Bars, EqualWeight, SentimentPolicy
from backtest import comparison, next_session_ic, rebalance_dates, run, simulate_market
from nlp import (
    FinetuneConfig,
    daily_signal,
    embedded_corpus,
    finetune,
    read_headlines,
    score_headlines,
    split,
)


def main(config: FinetuneConfig | None = None) -> None:
    train, valid = split(embedded_corpus())
    classifier, report = finetune(train, valid, config or FinetuneConfig.preset("small"))
    print(report)

    market = simulate_market()  # prices, opens and headlines, with a small edge planted
    scored = score_headlines(read_headlines(market.headlines), classifier)
    signal = daily_signal(scored, market.prices.index)
    print(next_session_ic(signal, market.prices))

    bars, dates = Bars(market.prices, market.opens), rebalance_dates(market.prices.index, "weekly")[13:]
    policies = {"sentiment": SentimentPolicy(), "equal weight": EqualWeight()}
    print(comparison(run(policy, bars, signal, dates, name=name) for name, policy in policies.items()))


if __name__ == "__main__":
    main()

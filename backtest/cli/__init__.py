"""`newsfolio backtest` and `newsfolio study`."""

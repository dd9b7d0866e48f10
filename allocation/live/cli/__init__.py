"""`newsfolio rebalance` and `newsfolio status`."""

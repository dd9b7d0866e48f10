"""One backtest for many settings, every trial counted."""

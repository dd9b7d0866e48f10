"""What a backtest found: NAV, figures, benchmark, attribution, capacity."""

"""Policies: View -> target weights; the same object live and in a backtest."""

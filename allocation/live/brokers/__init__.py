"""Brokers behind one protocol: on paper, and Alpaca."""

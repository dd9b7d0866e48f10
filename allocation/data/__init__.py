"""Prices from files, databases and vendors, with the cache that keeps what was known when."""

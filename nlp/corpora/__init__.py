"""Labelled texts: formats, label sets, duplicates, splits without leaks."""

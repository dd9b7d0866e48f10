"""A study as text, charts and a page."""

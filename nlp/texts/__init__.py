"""Headlines as they come: columns, times, aliases, near-duplicates, compared amounts."""

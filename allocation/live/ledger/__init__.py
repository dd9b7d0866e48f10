"""The append-only record of an account: database, journal, status."""

"""Scoring at scale: the store of known scores, and files larger than memory."""

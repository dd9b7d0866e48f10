"""Scored headlines -> one signal per asset and session; without torch."""

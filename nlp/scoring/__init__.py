"""Scores of headlines, computed once: the store, streams of files, Ray."""

"""Labelled corpora: the forms they come in, their labels, repeats and contradictions, several at once."""

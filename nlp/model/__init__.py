"""The classifier: files, tokens, temperature, ensembles; `forward` computes."""

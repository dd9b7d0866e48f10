"""From scored headlines to a signal: exchanges and cut-offs, novelty, shrinkage, cross-sections."""

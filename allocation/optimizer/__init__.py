"""Expected return and risk -> weights: the mean-variance program, its explanation, reference portfolios."""

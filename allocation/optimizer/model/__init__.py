"""The language of a program: symbols, objective terms, constraints, costs, soft constraints."""

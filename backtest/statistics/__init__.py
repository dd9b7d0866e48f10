"""How sure a figure is: significance, overfitting, purged cross-validation."""

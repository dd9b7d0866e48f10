"""Statistical significance, overfitting, purged cross-validation."""

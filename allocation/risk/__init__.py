"""Covariance estimators and the factor form that the optimizer reads."""

"""Warnings of risk, judged as forecasts: against what came, the usual rivals, and placebos."""

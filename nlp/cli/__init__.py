"""`newsfolio finetune`, `evaluate`, `score`, `signal` and `events`."""

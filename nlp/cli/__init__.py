"""`newsfolio finetune`, `evaluate`, `score` and `signal`."""

"""`newsfolio finetune`, `evaluate`, `score`, `signal`, `events` and `explain`."""

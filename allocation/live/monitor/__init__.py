"""What an operator hears: log, Prometheus figures, notifications, failures."""

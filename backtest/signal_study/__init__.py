"""What a signal explains and predicts, with placebos and leak alarms."""

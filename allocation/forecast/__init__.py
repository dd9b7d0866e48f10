"""Signal -> expected return per session."""

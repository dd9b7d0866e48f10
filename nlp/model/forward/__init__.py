"""The forward pass without padding."""

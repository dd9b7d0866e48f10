"""The sub-commands of `newsfolio` that this package brings."""

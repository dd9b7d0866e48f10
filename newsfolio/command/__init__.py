"""The command `newsfolio`: the packages' sub-commands under one name, and the demo."""

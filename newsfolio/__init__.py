"""News in, portfolio out: the command (`newsfolio.command`), and what all packages share (`newsfolio.shared`)."""

__version__ = "0.2.0.dev0"

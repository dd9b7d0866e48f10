"""Why a score is what it is: which words made it, and how far that can be trusted."""

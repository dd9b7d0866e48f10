"""Price and signal files as people have them: what a file is, its dates and its numbers."""

"""From a compiled cone program to a checked optimum."""

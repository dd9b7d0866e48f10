"""A file of any size, scored part by part."""

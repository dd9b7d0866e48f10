"""What a training may use beyond the plain loop."""

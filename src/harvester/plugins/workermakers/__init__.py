"""Worker makers: what a worker asks the resource for."""

"""File syncers."""

"""Throttlers: hold submission back where it would only make things worse."""

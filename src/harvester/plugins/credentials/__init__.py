"""Credential managers."""

"""Preparators and stagers, and how files are copied and summed up."""

"""Preparators and stagers, and what they share: names of files and checksums."""

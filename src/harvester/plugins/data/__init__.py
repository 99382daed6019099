"""Preparators and stagers, and what plugins share: block settings, names of files, checksums, reading with distrust."""

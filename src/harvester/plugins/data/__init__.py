"""Preparators, stagers and zippers, and how files are copied, packed and summed up."""

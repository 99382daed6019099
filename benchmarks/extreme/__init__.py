"""The extremes that `extremes.py` takes Harvester to, one in a module."""

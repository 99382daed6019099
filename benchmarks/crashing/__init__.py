"""Kills Harvester and judges what became of its work."""

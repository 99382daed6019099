"""Harvester: a service at the edge of a computing resource that keeps it filled with PanDA workers."""

"""Messengers: how workers without network hear from Harvester and are heard."""

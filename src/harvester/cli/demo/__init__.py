"""`harvester demo`: the whole of Harvester at work on this machine, with jobs that really compute and write."""

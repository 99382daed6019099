"""The database: every statement Harvester sends has a name here and works on sets of rows."""

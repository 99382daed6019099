"""`harvester init`: the files of a new instance, or those that an existing one lacks."""

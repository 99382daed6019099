"""Everything that knows a particular batch system, storage, or way of talking to a worker."""

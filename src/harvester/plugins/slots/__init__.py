"""What resources have free: plugins of the block `resource`."""

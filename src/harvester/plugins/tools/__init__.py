"""What plugins of all kinds share: names that become files, and reading with distrust what others wrote."""

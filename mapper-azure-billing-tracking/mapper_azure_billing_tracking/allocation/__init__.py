"""Applications and the patterns that find them, on months that are loaded; the command lines are in `commands`."""

"""Takes over the months of the plain table that this warehouse succeeds, as complete snapshots."""

"""target-clickhouse, with Arrow BATCH files added."""

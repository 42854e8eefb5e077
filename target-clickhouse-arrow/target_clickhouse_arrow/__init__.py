"""target-clickhouse, and Arrow BATCH files besides."""

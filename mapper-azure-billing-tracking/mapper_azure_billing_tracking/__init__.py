"""Mapper that types, checks and tracks Azure usage details, and the commands for their ClickHouse tables."""

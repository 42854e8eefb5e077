"""The ClickHouse warehouse of the Azure bill: tables, views, checks, report and patterns, and the command for them."""

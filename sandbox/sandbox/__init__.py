"""A simulated EA reporting API and an embedded ClickHouse, for the demo and the tests."""

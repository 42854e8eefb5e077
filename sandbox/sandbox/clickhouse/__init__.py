"""An embedded ClickHouse behind its HTTP interface, older engines besides, and a proxy that spoils its answers."""

"""The tracking patterns: their table, their CSV files, and what is odd about a set of them."""

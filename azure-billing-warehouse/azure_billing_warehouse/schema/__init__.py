"""The tables and views of the warehouse: their statements, and making or widening them."""

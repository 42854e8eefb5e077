"""Usage rows as they came: their columns, frames and original values."""

"""Usage rows as read, before any rule: their columns, frames and original values."""

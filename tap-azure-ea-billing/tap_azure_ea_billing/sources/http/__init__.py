"""Requests over HTTP as every source sends them: bounds, retries, what headers say of the time, addresses."""

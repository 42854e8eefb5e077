"""Tracks months that are loaded already by today's patterns: the command `azure-billing-warehouse retrack`."""

"""Simulated Azure Resource Manager: usageDetails and the Cost Details report of one billing account."""

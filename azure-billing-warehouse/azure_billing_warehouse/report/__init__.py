"""The HTML report of the published months."""

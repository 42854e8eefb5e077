"""The source `arm`: usage details, page by page, from Azure Resource Manager."""

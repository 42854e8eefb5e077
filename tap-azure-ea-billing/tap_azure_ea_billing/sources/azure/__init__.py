"""What the sources in Azure share: clouds, signing in, and the client of Azure Resource Manager."""

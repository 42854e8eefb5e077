"""Cost Management exports: runs of cost files in a folder or a container of Azure Blob Storage."""

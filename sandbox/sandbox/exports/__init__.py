"""Simulated Cost Management exports: their runs, files and manifests, and where they are written."""

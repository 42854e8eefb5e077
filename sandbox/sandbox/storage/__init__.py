"""Azurite, Microsoft's emulator of Azure Storage, as a container that is ready for exports."""

"""A Singer tap for the usage details of an Azure Enterprise Agreement; the plugin is in `tap`."""

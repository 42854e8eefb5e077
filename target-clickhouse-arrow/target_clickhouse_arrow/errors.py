"""What goes wrong with an Arrow file, as one sentence, worded where it happens."""

from __future__ import annotations

import click
from singer_sdk.exceptions import RecordsWithoutSchemaException


class LoadError(click.ClickException):
    """Ends the target with exit code 1 and `Error: <the sentence>`, without a traceback."""


class NoSchemaError(LoadError, RecordsWithoutSchemaException):
    """A stream's message before its SCHEMA, for which the SDK's own tests expect an SDK error."""

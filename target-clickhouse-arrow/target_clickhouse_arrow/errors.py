"""What goes wrong with an Arrow file, as one sentence; the words come from where it happens."""

from __future__ import annotations

import click
from singer_sdk.exceptions import RecordsWithoutSchemaException


class LoadError(click.ClickException):
    """Ends the target with exit code 1 and `Error: <the sentence>`, without a trace."""


class NoSchemaError(LoadError, RecordsWithoutSchemaException):
    """A message of a stream before its SCHEMA, which the SDK's own tests want as an error of the SDK."""

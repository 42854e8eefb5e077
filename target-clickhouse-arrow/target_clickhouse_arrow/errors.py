"""What goes wrong with an Arrow file, as one sentence; the words come from where it happens."""

from __future__ import annotations

import click


class LoadError(click.ClickException):
    """Ends the target with exit code 1 and `Error: <the sentence>`, without a trace."""

"""What is wrong with a file of cost rows."""

from __future__ import annotations

from tap_azure_ea_billing.errors import OperatorError


class FileError(OperatorError):
    """A file can't be read to its end as what it should be; the sentence begins with the file's name."""

"""Which remarks of singer-sdk are left out of the log: several for each stream, that would bury an error's sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

_REMARKS = ("Initializing ", "Cleaning up ")


def is_no_remark(record: logging.LogRecord) -> bool:
    """Return whether a log record is more than a remark, as a filter of a logger."""
    return not str(record.msg).startswith(_REMARKS)

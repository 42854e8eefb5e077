"""Naming in the log, once a run, the fields of a source that `usage_details` has no column for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Set as AbstractSet


class UnknownFields:
    """The unknown fields of a run.

    Args:
        logger: Where they are named.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._named: set[str] = set()

    def name(self, found: AbstractSet[str]) -> None:
        """Name those of the fields that were not named before."""
        if new := sorted(found - self._named):
            self._named.update(new)
            self._logger.warning("The source gives fields that the schema lacks; `extra` has them: %s.", ", ".join(new))

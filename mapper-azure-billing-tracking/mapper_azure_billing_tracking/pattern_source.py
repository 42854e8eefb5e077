"""Where the tracking patterns come from: the table in ClickHouse or a CSV file, with a cache file for bad days."""

from __future__ import annotations

import datetime as dt
import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.patterns.files import MalformedLineError, PatternFileError, read_patterns
from azure_billing_warehouse.patterns.pattern import MalformedPatternError, Pattern
from azure_billing_warehouse.patterns.table import TABLE, read_name, read_table
from azure_billing_warehouse.wording import counted
from mapper_azure_billing_tracking.config import variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure_billing_warehouse.clickhouse import Connection
    from azure_billing_warehouse.config import ClickHouseConfig
    from mapper_azure_billing_tracking.config import PatternsConfig

logger = logging.getLogger(__name__)

_IMPORT = f"make {TABLE} with `azure-billing-warehouse patterns import FILE.csv`, or set patterns.source to csv"
_CORRECT = f"correct patterns.table ({variable('patterns.table')}), or leave it out and {_IMPORT}"
_ALLOW = f"set patterns.required ({variable('patterns.required')}) to false to go without any"


class PatternsUnavailableError(OperatorError):
    """The patterns can't be read; the message says from where, why, and what to do."""


class _AbsentError(Exception):
    """There is no pattern.

    Args:
        place: Where there is none, as the beginning of a sentence.
        cure: How to get some.
    """

    def __init__(self, place: str, cure: str) -> None:
        super().__init__(place)
        self.place = place
        self.cure = cure


class NoPatternsError(PatternsUnavailableError):
    """There are none, or nowhere to read them from, and they are required."""


class _Cache(BaseModel):
    read_at: dt.datetime
    patterns: list[Pattern]


class PatternSource:
    """The patterns, read at the start and again when they are older than the refresh time.

    Args:
        config: Where the patterns come from.
        clickhouse: Where ClickHouse is; needed unless the source is a CSV file.
        clock: A monotonic clock in seconds, for the refresh.
        connection: A connection to that ClickHouse; one of its own for each reading by default.
    """

    def __init__(
        self,
        config: PatternsConfig,
        clickhouse: ClickHouseConfig | None,
        clock: Callable[[], float] = time.monotonic,
        connection: Connection | None = None,
    ) -> None:
        self._config = config
        self._clickhouse = clickhouse
        self._clock = clock
        self._connection = connection
        self._read_at: float | None = None

    def is_due(self) -> bool:
        """Return whether the patterns were never read, or are older than the refresh time."""
        return self._read_at is None or self._clock() - self._read_at >= self._config.refresh_seconds

    def read(self) -> list[Pattern]:
        """Read the patterns, and keep them in the cache file where one is set.

        Raises:
            NoPatternsError: There are none, and they are required.
            PatternsUnavailableError: They can't be read, and `on_unavailable` is `fail` or there is no cache.
        """
        self._read_at = self._clock()
        try:
            patterns = self._from_file() if self._config.source == "csv" else self._from_table()
        except _AbsentError as absent:
            if self._config.required:
                raise NoPatternsError(f"{absent.place}: {absent.cure}, or {_ALLOW}.") from absent
            logger.warning(
                "%s, which patterns.required allows: every row is tracked to its own resource.", absent.place
            )
            return []
        except PatternsUnavailableError as unavailable:
            if self._config.on_unavailable == "fail" or self._config.source == "csv":
                raise
            return self._cached(unavailable)
        if self._config.cache_path is not None:
            _write_cache(self._config.cache_path, _Cache(read_at=dt.datetime.now(dt.UTC), patterns=patterns))
        place = self._config.path or self._config.table
        logger.info("Read %s from %s.", counted(len(patterns), "tracking pattern"), place)
        return patterns

    def _from_file(self) -> list[Pattern]:
        path = self._config.path
        if path is None:
            raise _AbsentError(
                "patterns.source is csv, and the setting patterns.path is missing", "set it to a CSV file"
            )
        try:
            return _some(
                read_patterns(path), str(path), "write them into the file, with the columns id and resource_tracking"
            )
        except MalformedLineError as error:
            raise _malformed(error.pattern, str(path)) from error
        except PatternFileError as error:
            raise PatternsUnavailableError(f"The tracking patterns can't be read: {error}") from error

    def _from_table(self) -> list[Pattern]:
        if self._clickhouse is None:
            raise _AbsentError(
                "The tracking patterns are in ClickHouse, and the settings clickhouse.* are missing",
                "set them, or patterns.source to csv and patterns.path",
            )
        table = self._config.table
        database, name = read_name(table)
        place = (
            f"table {database or self._clickhouse.database}.{name} on {self._clickhouse.host}:{self._clickhouse.port}"
        )
        cure = (
            _IMPORT if (database or self._clickhouse.database, name) == (self._clickhouse.database, TABLE) else _CORRECT
        )
        try:
            patterns = read_table(self._clickhouse, table, self._connection)
        except MalformedPatternError as error:
            raise _malformed(error, place) from error
        except WarehouseError as error:
            raise PatternsUnavailableError(
                f"The tracking patterns can't be read from table {table}: {error}"
            ) from error
        if patterns is None:
            raise _AbsentError(f"There is no {place}", cure)
        return _some(patterns, place, cure)

    def _cached(self, unavailable: PatternsUnavailableError) -> list[Pattern]:
        path = self._config.cache_path
        if path is None or not path.exists():
            raise PatternsUnavailableError(
                f"{unavailable} There is no cache file to go on with either."
            ) from unavailable
        cache = _read_cache(path)
        age = dt.datetime.now(dt.UTC) - cache.read_at
        logger.warning(
            "%s Going on with the %s cached in %s %.1f hours ago.",
            unavailable,
            counted(len(cache.patterns), "pattern"),
            path,
            age.total_seconds() / 3600,
        )
        return cache.patterns


def _some(patterns: list[Pattern], place: str, cure: str) -> list[Pattern]:
    """Return the patterns, if one of them is not blank.

    Raises:
        _AbsentError: None is.
    """
    if not any(pattern.resource_tracking.strip() for pattern in patterns):
        raise _AbsentError(f"There are no tracking patterns in {place}", cure)
    return patterns


def _write_cache(path: Path, cache: _Cache) -> None:
    """Write the cache, readable by this user only; mappers that write it at once each rename their own file."""
    part: str | None = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, part = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
        with open(number, "w", encoding="utf-8") as file:  # noqa: PTH123 - a file descriptor has no path
            file.write(cache.model_dump_json())
        Path(part).replace(path)
    except OSError as error:
        if part is not None:
            Path(part).unlink(missing_ok=True)
        logger.warning("The tracking patterns can't be kept in %s (patterns.cache_path): %s.", path, error.strerror)


def _read_cache(path: Path) -> _Cache:
    try:
        return _Cache.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise PatternsUnavailableError(
            f"The cached tracking patterns in {path} can't be read: delete the file."
        ) from error


def _malformed(error: MalformedPatternError, place: str) -> PatternsUnavailableError:
    return PatternsUnavailableError(
        f"Row {error.row} of the tracking patterns in {place} is wrong: {error.column}: {error.fault}."
    )

"""Writes the report: one HTML file with the data inside; `content` reads what it shows."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.report.content import read_report

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    from azure_billing_warehouse.check.expectations import Expectations
    from azure_billing_warehouse.config import ClickHouseConfig


def write_report(
    config: ClickHouseConfig,
    path: Path,
    *,
    since: dt.date | None = None,
    expected: Expectations | None = None,
    tags: Sequence[str] = ("app",),
) -> None:
    """Write the report of the published months to a file; see `read_report` for the rest.

    Raises:
        WarehouseError: There is nothing to report on, or it can't be read.
        OperatorError: The file can't be written.
    """
    if not path.parent.is_dir():
        raise OperatorError(f"There is no folder {path.parent} for the report: make it, or name another file.")
    data = read_report(config, since=since, expected=expected, tags=tags)
    try:
        path.write_text(f"<!doctype html>\n<pre>{escape(data.model_dump_json())}</pre>\n", encoding="utf-8")
    except OSError as error:
        raise OperatorError(
            f"The report can't be written to {path} ({error.strerror}): name another file, or correct its permissions."
        ) from error

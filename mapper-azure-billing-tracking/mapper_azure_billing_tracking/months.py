"""What became of each month's rows, and the row of `stg_azure_billing_month` that says so."""

from __future__ import annotations

import datetime as dt
import logging
from decimal import Decimal  # noqa: TC003 - msgspec reads the annotations at run time

import msgspec
import polars as pl

from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.tables import BillingMonth
from mapper_azure_billing_tracking.stream_types import polars_schema
from mapper_azure_billing_tracking.transform import SnapshotKey, Tally

logger = logging.getLogger(__name__)


class _Month(msgspec.Struct):
    enrollment_number: str
    billing_month: dt.date
    snapshot_at: dt.datetime
    source: str
    page_count: int
    row_count: int
    extended_cost: Decimal
    started_at: dt.datetime
    completed_at: dt.datetime | None


class _MonthLine(msgspec.Struct):
    record: _Month


_month_line = msgspec.json.Decoder(_MonthLine)


class MalformedMonthError(OperatorError):
    """A row of the month stream doesn't say what it must."""


class MonthOutcomes:
    """The tallies of the months under way and of the whole run."""

    def __init__(self) -> None:
        self._open: dict[SnapshotKey, Tally] = {}
        self.run = Tally()
        self.months = 0
        self.incomplete_months = 0

    def add(self, tallies: dict[SnapshotKey, Tally]) -> None:
        """Add what became of a frame's rows."""
        for snapshot, tally in tallies.items():
            self._open.setdefault(snapshot, Tally()).add(tally)
            self.run.add(tally)

    def close(self, line: bytes, line_number: int) -> pl.DataFrame | None:
        """Close a month.

        Args:
            line: The tap's RECORD line that says that the month is complete.
            line_number: Its number in the input.

        Returns:
            The row of `stg_azure_billing_month`; `extended_cost` is the tap's exact sum, as text. None if the tap
            says that it did not read the month to its end: without its row a month is never published.

        Raises:
            MalformedMonthError: The record lacks a column, or one can't be read.
        """
        try:
            month = _month_line.decode(line).record
        except msgspec.DecodeError as error:
            raise MalformedMonthError(
                f"Line {line_number} of the input is no month row that can be read: {error}."
            ) from error
        snapshot = SnapshotKey(month.enrollment_number, month.billing_month, _milliseconds(month.snapshot_at))
        tally = self._open.pop(snapshot, Tally())
        if month.completed_at is None:
            logger.warning(
                "Enrollment %s, month %s: the tap did not read the month to its end (as with --test), %d rows arrived. "
                "The month is not complete and is not published.",
                month.enrollment_number,
                f"{month.billing_month:%Y-%m}",
                tally.received,
            )
            return None
        self.months += 1
        if tally.received != month.row_count:
            self.incomplete_months += 1
            logger.error(
                "Enrollment %s, month %s: the tap counted %d rows, %d arrived. The month is not complete and is not "
                "published; run the tap again for it.",
                month.enrollment_number,
                f"{month.billing_month:%Y-%m}",
                month.row_count,
                tally.received,
            )
        row = {
            "enrollment_number": month.enrollment_number,
            "billing_month": month.billing_month,
            "snapshot_at": snapshot.snapshot_at,
            "source": month.source,
            "page_count": month.page_count,
            "row_count": month.row_count,
            "extended_cost": format(month.extended_cost, "f"),
            "started_at": _milliseconds(month.started_at),
            "completed_at": _milliseconds(month.completed_at),
            "received_row_count": tally.received,
            "staged_row_count": tally.staged,
            "rejected_row_count": tally.rejected,
            "staged_extended_cost": tally.staged_cost,
            "rejected_extended_cost": tally.rejected_cost,
            "issue_count": tally.issues,
            "audit_count": tally.audits,
        }
        return pl.DataFrame([row], schema=polars_schema(BillingMonth))


def _milliseconds(instant: dt.datetime) -> dt.datetime:
    """The instant as the tables hold it."""
    utc = instant.astimezone(dt.UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)

"""What became of each month's rows, and the row of `stg_azure_billing_month` that says so."""

from __future__ import annotations

import datetime as dt
import logging
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl

from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.tables import ACTUAL, BillingMonth, Dataset
from azure_billing_warehouse.wording import counted
from mapper_azure_billing_tracking.stream_types import polars_schema
from mapper_azure_billing_tracking.tallies import SnapshotKey, Tally

logger = logging.getLogger(__name__)


_COUNTED = {
    "received_row_count": "received",
    "staged_row_count": "staged",
    "rejected_row_count": "rejected",
    "staged_extended_cost": "staged_cost",
    "rejected_extended_cost": "rejected_cost",
    "issue_count": "issues",
    "audit_count": "audits",
}
"""Column of the month row -> its name in the tally; all other columns are the tap's."""
_STRICTER: dict[str, Any] = {"extended_cost": Decimal, "completed_at": dt.datetime | None}
"""What the tap's record must have or may lack, where the table's column doesn't say so."""
_LATER: dict[str, Any] = {
    "dataset": Dataset | None,
    "run_id": str | None,
    "blob_count": int | None,
    "byte_count": int | None,
}
"""What the record of an older tap lacks."""

_Month = msgspec.defstruct(
    "_Month",
    [
        *(
            (column.name, _STRICTER.get(column.name, BillingMonth.model_fields[column.name].annotation))
            for column in BillingMonth.sent_columns()
            if column.name not in {**_COUNTED, **_LATER}
        ),
        *((name, kind, None) for name, kind in _LATER.items()),
    ],
)
_MonthLine = msgspec.defstruct("_MonthLine", [("record", _Month)])
_month_line = msgspec.json.Decoder(_MonthLine)


class MalformedMonthError(OperatorError):
    """A row of the month stream doesn't say what it must."""


class MonthOutcomes:
    """The tallies of the unfinished months and of the whole run."""

    def __init__(self) -> None:
        self._open: dict[SnapshotKey, Tally] = {}
        self.run = Tally()
        self.months = 0

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
            says that it did not read the whole month: without its row a month is never published.

        Raises:
            MalformedMonthError: The record lacks a column, or one can't be read.
        """
        try:
            month: Any = _month_line.decode(line).record  # type: ignore[attr-defined]
        except msgspec.DecodeError as error:
            raise MalformedMonthError(
                f"Line {line_number} of the input can't be read as a month row: {error}."
            ) from error
        month.dataset = month.dataset or ACTUAL
        snapshot = SnapshotKey(
            month.enrollment_number, month.dataset, month.billing_month, _milliseconds(month.snapshot_at)
        )
        tally = self._open.pop(snapshot, Tally())
        if month.completed_at is None:
            logger.warning(
                "%s: the tap did not read the month to its end (as with --test), %s arrived. The month is not "
                "complete and is not published.",
                snapshot.name,
                counted(tally.received, "row"),
            )
            return None
        self.months += 1
        if tally.received != month.row_count:
            logger.error(
                "%s: the tap counted %s, %d arrived. The month is not complete and is not published; run the tap "
                "again for it.",
                snapshot.name,
                counted(month.row_count, "row"),
                tally.received,
            )
        row = {name: _as_held(getattr(month, name)) for name in _Month.__struct_fields__}
        row |= {name: getattr(tally, counted) for name, counted in _COUNTED.items()}
        return pl.DataFrame([row], schema=polars_schema(BillingMonth))


def _as_held(value: Any) -> Any:  # noqa: ANN401 - of any column
    match value:
        case dt.datetime():
            return _milliseconds(value)
        case Decimal():
            return format(value, "f")
    return value


def _milliseconds(instant: dt.datetime) -> dt.datetime:
    """Return the instant as the tables hold it."""
    utc = instant.astimezone(dt.UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)

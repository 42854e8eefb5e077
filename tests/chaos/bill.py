"""The small bill that every schedule loads, and what the tables must hold of each revision of its months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from mapper.oracle import ALL_TAG_COLUMNS, STRING_COLUMNS, Row, r1_date, read_row
from mapper.oracle_json import Json, JsonObject, Number, json_text, load_json
from mapper.oracle_tracking import Patterns, track

from sandbox.bill.generator import Bill, example_patterns
from tap_azure_ea_billing.sources.ea.names import API_NAMES

ENROLLMENT = "88888888"
MONTHS = ("2026-08", "2026-09", "2026-10")
ROWS, PAGE_SIZE, BATCH_SIZE = 160, 20, 40
"""Eight pages and four batches a month: many points at which something can break."""
BILL = Bill(ENROLLMENT, seed=1, rows=ROWS, page_size=PAGE_SIZE)

TEXTS = (
    *(column for column in STRING_COLUMNS if column != "extra"),
    *ALL_TAG_COLUMNS,
    *("service_info1", "service_info2", "resource_tracking", "sku"),
    *("instance_id", "resource_name", "vm_name", "latest_resource_type", "newmonth"),
)
NUMBERS = ("consumed_quantity", "resource_rate", "extended_cost", "extended_cost_tax")
DATES = ("date", "month_date")
OBJECTS = ("tags_text", "additional_info_text")
COMPARED = (*TEXTS, *NUMBERS, *DATES, *OBJECTS, "subscription_id")
"""The columns in which a published row is compared with the row that was served."""


@dataclass(frozen=True)
class Served:
    """What the tables hold of one revision of a month, if they hold it whole.

    Attributes:
        published: the values of `COMPARED` by row number.
        rejected: cost (None if it has none that can be read) by row number.
    """

    published: dict[int, tuple[Any, ...]]
    rejected: dict[int, float | None]


@cache
def served(month: str, revision: int) -> Served:
    """A month as the API serves it in a revision, read by the rules' oracle."""
    names = {api_name: column for column, api_name in API_NAMES.items()}
    patterns = Patterns(example_patterns())
    published: dict[int, tuple[Any, ...]] = {}
    rejected: dict[int, float | None] = {}
    for number, text in enumerate(BILL.row_texts(month, revision), 1):
        row = _read(text, names, month, number)
        if row.staged is None:
            rejected[number] = row.extended_cost
            continue
        track(row, patterns)
        published[number] = canonical({name: row.staged[name] for name in COMPARED})
    return Served(published, rejected)


def _read(text: str, names: dict[str, str], month: str, number: int) -> Row:
    usage = load_json(text)
    assert isinstance(usage, JsonObject)
    record: dict[str, Json] = {names[name]: value for name, value in usage.pairs if name in names}
    day = r1_date(record.get("date"))
    if day is not None:
        record["date"] = day.isoformat()
    record |= {
        "enrollment_number": ENROLLMENT,
        "billing_month": f"{month}-01",
        "snapshot_at": "2026-11-01T00:00:00Z",
        "row_number": Number(str(number)),
        "billing_currency": "CNY",
    }
    return read_row(record)


def canonical(row: dict[str, Any]) -> tuple[Any, ...]:
    """The values of `COMPARED` of a row, equal for the oracle's row and for the one that ClickHouse gives as JSON."""
    values = []
    for name in COMPARED:
        value = row[name]
        if name in OBJECTS and value is not None:
            value = json_text(load_json(value))  # characters may be escaped or not
        elif name in DATES and isinstance(value, date):
            value = value.isoformat()
        elif name == "subscription_id" and value is not None:
            value = str(value)
        values.append(value)
    return tuple(values)

"""Sample cost files, and what plain `csv` and `Decimal` say of them."""

from __future__ import annotations

import csv
import io
import logging
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from tap_azure_ea_billing.sources.files.csv_reader import CsvFile
from tap_azure_ea_billing.sources.files.focus_names import FOCUS_NAMES
from tap_azure_ea_billing.sources.files.frames import CostFrames
from tap_azure_ea_billing.sources.files.names import COST_NAMES
from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

if TYPE_CHECKING:
    import polars as pl

SAMPLES = Path(__file__).parent.parent / "samples"
FILES = sorted(path for path in SAMPLES.glob("*/*.csv"))
_COSTS = ("costinbillingcurrency", "cost", "pretaxcost", "billedcost")


def whole(path: Path) -> bytes:
    """Return a sample's bytes; of the one whose rows lack the last field, without that field in the header."""
    content = path.read_bytes()
    return content.replace(b",resourcelocation", b"", 1) if path.name == "values_Template.csv" else content


def plain_rows(content: bytes) -> list[dict[str, str]]:
    """Return the rows of a file by `csv`."""
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    header = next(rows)
    return [dict(zip(header, row, strict=True)) for row in rows if row]


def plain_sum(content: bytes) -> Decimal:
    """Return the sum of the costs by `Decimal`, of the amounts that are there."""
    rows = plain_rows(content)
    names = [name for name in (rows[0] if rows else ()) if name.split("(")[-1].strip(" )").lower() in _COSTS]
    return sum((Decimal(row[names[0]]) for row in rows if row[names[0]]), Decimal(0))


def is_focus(content: bytes) -> bool:
    """Return whether a file is a FOCUS one."""
    return b"BilledCost" in content.splitlines()[0]


def frame(content: bytes, dataset: str = "actual") -> pl.DataFrame:
    """Return a small CSV file in our columns."""
    file = CsvFile(io.BytesIO(content), "file.csv", cut_is_known=True)
    names = FOCUS_NAMES[dataset] if is_focus(content) else COST_NAMES
    frames = CostFrames(file.header, names, "file.csv", UnknownFields(logging.getLogger("test")), run_id="r")
    (rows,) = file.frames()
    return frames.frame(rows)

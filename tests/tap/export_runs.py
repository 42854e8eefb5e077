"""Runs of exports written into a folder, as Azure writes them, with whatever is wrong with them that a test wants."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ACCOUNT = "/providers/Microsoft.Billing/billingAccounts/1234567"
HEADER = "Date,CostInBillingCurrency,BillingCurrencyCode,ResourceId,ChargeType"


def rows(*costs: str, day: str = "10/05/2026") -> bytes:
    """Return a CSV part with a row for each cost."""
    return "".join(
        [f"{HEADER}\n", *(f"{day},{cost},EUR,/r/{number},Usage\n" for number, cost in enumerate(costs))]
    ).encode()


def row_count(part: bytes) -> int:
    """Return the rows of a part without line breaks in fields."""
    return part.count(b"\n") - 1


def write_run(
    root: Path,
    parts: Sequence[bytes],
    *,
    run: str = "11111111-0000-0000-0000-000000000001",
    submitted: str = "2026-11-03T04:05:06.1234567Z",
    days: tuple[str, str] = ("2026-10-01", "2026-10-31"),
    kind: str = "ActualCost",
    scope: str = ACCOUNT,
    export: str = "daily",
    suffix: str = ".csv",
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write a run and return its folder.

    Args:
        root: Where the export writes.
        parts: Contents of its files.
        run: Id.
        submitted: When it began.
        days: First and last day.
        kind: Type of the export.
        scope: Whose costs.
        export: Name of the export.
        suffix: How the files' names end.
        changes: What the manifest says otherwise: fields of its groups, of the manifest itself by the group ''.
    """
    first = date.fromisoformat(days[0])
    last = (first.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    folder = root / export / f"{first.replace(day=1):%Y%m%d}-{last:%Y%m%d}" / "202611030405" / run
    folder.mkdir(parents=True)
    blobs = []
    for number, part in enumerate(parts, start=1):
        name = f"part_0_{number:04}{suffix}"
        (folder / name).write_bytes(part)
        blob_name = f"directory/{folder.relative_to(root).as_posix()}/{name}"
        blobs.append({"blobName": blob_name, "byteCount": len(part), "dataRowCount": row_count(part)})
    manifest: dict[str, Any] = {
        "manifestVersion": "2024-04-01",
        "byteCount": sum(map(len, parts)),
        "blobCount": len(parts),
        "dataRowCount": sum(map(row_count, parts)),
        "exportConfig": {
            "exportName": export,
            "resourceId": f"{scope}/providers/Microsoft.CostManagement/exports/{export}",
            "dataVersion": "2024-08-01",
            "type": kind,
            "timeFrame": "MonthToDate",
        },
        "deliveryConfig": {"fileFormat": "Csv", "dataOverwriteBehavior": "OverwritePreviousReport"},
        "runInfo": {
            "submittedTime": submitted,
            "runId": run,
            "startDate": f"{days[0]}T00:00:00",
            "endDate": f"{days[1]}T00:00:00Z",
        },
        "blobs": blobs,
    }
    for group, fields in (changes or {}).items():
        (manifest[group] if group else manifest).update(fields)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def settings(root: Path, **other: Any) -> dict[str, Any]:
    """Return settings that read the exports in a folder."""
    plain = {
        "source": "exports",
        "enrollment_number": "1234567",
        "exports_url": str(root),
        "start_date": "2026-10",
        "end_date": "2026-10",
    }
    return plain | other

"""A run's manifest, in both generations, and what can be wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.exports.plan import FOCUS, TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from sandbox.exports.plan import ExportOptions, Run

FILE_NAMES = {"2024-04-01": "manifest.json", "2021-01-01": "_manifest.json"}

_FILE_FORMATS = {"csv": ("Csv", "None"), "csv.gz": ("Csv", "Gzip"), "parquet": ("Parquet", "Snappy")}
_SPELLINGS = ("{:%Y-%m-%dT00:00:00}", "{:%Y-%m-%dT00:00:00Z}", "{:%Y-%m-%dT00:00:00+00:00}")


class Blob(NamedTuple):
    """One part: its name in the container, its bytes and its rows."""

    name: str
    byte_count: int
    row_count: int


def manifest(
    options: ExportOptions, run: Run, blobs: Sequence[Blob], traps: AbstractSet[str], kind: str = ""
) -> dict[str, Any]:
    """Return a run's manifest.

    Args:
        options: What was asked for.
        run: The run.
        blobs: Its parts.
        traps: What is wrong with it.
        kind: The export's type, '' for that of the run's dataset.
    """
    listed = [_listed(options, blob, traps, last=blob is blobs[-1]) for blob in blobs]
    totals = {
        "byteCount": sum(blob["byteCount"] for blob in listed),
        "blobCount": len(listed) + ("wrong-blob-count" in traps),
        "dataRowCount": sum(blob["dataRowCount"] for blob in listed),
    }
    if options.manifest == "2021-01-01":
        blobs_with_headers = [blob | {"headerRowCount": 1} for blob in listed]
        return {"manifestVersion": "2021-01-01", "dataFormat": "csv"} | totals | {"blobs": blobs_with_headers}
    start, end = _SPELLINGS[run.number % 3], _SPELLINGS[(run.number + 1) % 3]
    file_format, compression = _FILE_FORMATS[options.file_format]
    scope = f"/providers/Microsoft.Billing/billingAccounts/{options.account}"
    return {"manifestVersion": "2024-04-01"} | totals | {
        "exportConfig": {
            "exportName": run.export,
            "resourceId": f"{scope}/providers/Microsoft.CostManagement/exports/{run.export}",
            "dataVersion": "1.0" if run.dataset == FOCUS else options.dataset_version,
            "apiVersion": "2023-07-01-preview",
            "type": kind or TYPES[run.dataset],
            "timeFrame": "Custom" if run.start else "MonthToDate",
            "granularity": None if run.dataset == FOCUS else "Daily",
        },
        "deliveryConfig": {
            "partitionData": True,
            "dataOverwriteBehavior": "OverwritePreviousReport" if options.overwrite else "CreateNewReport",
            "fileFormat": file_format,
            "compressionMode": compression,
            "containerUri": "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-costs/providers"
            "/Microsoft.Storage/storageAccounts/simulatedcosts",
            "rootFolderPath": options.directory,
        },
        "runInfo": {
            "executionType": "OnDemand" if run.start else "Scheduled",
            "submittedTime": f"{run.submitted:%Y-%m-%dT%H:%M:%S}.{run.guid.int % 10**7:07d}Z",
            "runId": str(run.guid),
            "startDate": start.format(run.start or run.month.first),
            "endDate": end.format(run.month.through),
        },
        "blobs": listed,
    }  # fmt: skip


def manifest_text(content: dict[str, Any]) -> str:
    """Return a manifest's text."""
    return json.dumps(content, indent=2)


def _listed(options: ExportOptions, blob: Blob, traps: AbstractSet[str], *, last: bool) -> dict[str, Any]:
    name = blob.name
    if "moved" in traps:
        name = f"moved/from/elsewhere/{name.removeprefix(options.directory).lstrip('/')}"
    return {
        "blobName": name,
        "byteCount": blob.byte_count + (last and "wrong-byte-count" in traps),
        "dataRowCount": blob.row_count + (last and "wrong-row-count" in traps),
    }

"""Manifests of export runs, both generations, as what they promise; pure.

The path says nothing but where a manifest's files are and, for the first generation (`_manifest.json`), which knows
neither the export nor the run, of which month it is.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.months import next_month

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_azure_ea_billing.sources.exports.stores.store import StoredFile

MANIFESTS = ("manifest.json", "_manifest.json")
COST_TYPES = {"actualcost": "actual", "usage": "actual", "amortizedcost": "amortized", "focuscost": "focus"}
"""What the type of an export says of its rows; the other types hold no costs."""
_DAYS = re.compile(r"(\d{8})-(\d{8})")
_MINUTE = re.compile(r"\d{12}")
_EXPORTS = re.compile(r"/providers/microsoft\.costmanagement/exports/.*$", re.IGNORECASE)
_TO_DATE = {"monthtodate", "billingmonthtodate", "thecurrentmonth"}
_decode = msgspec.json.decode


class ManifestError(OperatorError):
    """A manifest can't be read; the sentence begins with its name."""


@dataclass(frozen=True)
class Part:
    """A file of a run.

    Attributes:
        name: Its name as the manifest has it, below the container the export was written to.
        size: Its size in bytes; None where nobody promised one.
        rows: Its rows without the header; None where nobody promised them.
    """

    name: str
    size: int | None
    rows: int | None


@dataclass(frozen=True)
class ExportRun:
    """A finished run of an export.

    Attributes:
        run_id: Its id; where Azure gave it none, a digest of its files.
        name: The manifest's name, or the folder's, for people.
        folder: Where its files are.
        kind: `actual`, `amortized` or `focus`; None where nothing says it.
        usage_only: Whether it has no purchases, so that a run with them comes first.
        scope: Whose costs it has, None where nothing says it.
        export: Name of the export, '' where nothing says it.
        submitted: When it was begun, UTC.
        first: First day.
        last: Last day.
        to_date: Whether it reaches to the day on which it ran, whichever that was.
        parts: Its files.
        sizes_known: Whether a manifest promises sizes.
    """

    run_id: str
    name: str
    folder: str
    kind: str | None
    usage_only: bool
    scope: str | None
    export: str
    submitted: datetime
    first: date
    last: date
    to_date: bool
    parts: tuple[Part, ...]
    sizes_known: bool = True

    def month(self) -> date | None:
        """Return the month that it has whole, or up to the day it ran; None if it has no such month."""
        month = self.first
        end = next_month(month)
        if month.day != 1 or self.last > end:
            return None
        if self.last >= end - timedelta(days=1):
            return month
        ran = self.submitted.date()
        # A run that begins shortly after midnight reaches to the day before.
        return month if ran < end and self.last >= ran - timedelta(days=self.to_date) else None


def read_manifest(file: StoredFile, text: bytes) -> ExportRun | None:
    """Return the run that a manifest is of, None if its rows are no costs.

    Raises:
        ManifestError: It is no JSON, or lacks what is needed.
    """
    try:
        manifest: Any = _decode(text.removeprefix(b"\xef\xbb\xbf"))
    except msgspec.DecodeError:
        raise ManifestError(f"{file.name} is not JSON: it was cut short or changed.") from None
    try:
        if not isinstance(manifest, dict) or not manifest.keys() & {"manifestVersion", "blobs", "exportConfig"}:
            return None  # another product's
        if "exportConfig" not in manifest and "runInfo" not in manifest:
            return _first_generation(file, manifest)
        kind = str(_of(manifest, "exportConfig", "type")).lower()
        return _run(file, manifest, kind) if kind in COST_TYPES else None
    except _Fault as fault:
        raise ManifestError(f"{file.name} {fault}.") from None


def run_of_files(folder: str, files: Sequence[StoredFile]) -> ExportRun | None:
    """Return the run that files without a manifest are, None if no folder above them names their month."""
    days = _days(files[0].name)
    if days is None:
        return None
    return ExportRun(
        run_id=digest((file.name, file.etag) for file in files),
        name=files[0].name if len(files) == 1 else folder,
        folder=folder,
        kind=None,
        usage_only=False,
        scope=None,
        export="",
        submitted=_submitted(files[0].name) or max(file.modified for file in files),
        first=days[0],
        last=days[1],
        to_date=False,
        parts=tuple(Part(file.name, None, None) for file in files),
        sizes_known=False,
    )


def folder_of(name: str) -> str:
    """Return the folder that a file is in, '' for the topmost."""
    return name.rpartition("/")[0]


def export_folder(name: str) -> str | None:
    """Return the folder of the export that a file is from: the one above the month's; None if none is a month's."""
    folders = folder_of(name).split("/")
    for at in reversed(range(len(folders))):
        if _DAYS.fullmatch(folders[at]):
            return "/".join(folders[:at])
    return None


def is_months_own(name: str) -> bool:
    """Return whether a file is in the month's folder itself."""
    return _DAYS.fullmatch(folder_of(name).rpartition("/")[2]) is not None


def digest(values: Any) -> str:  # noqa: ANN401 - anything that prints
    """Return an id made of values: the same for the same ones."""
    return hashlib.sha256(repr(list(values)).encode()).hexdigest()[:32]


class _Fault(Exception):  # noqa: N818 - never leaves this module
    """What is wrong, in words that follow the manifest's name."""


def _missing(name: str) -> _Fault:
    return _Fault(f"has no readable {name}, so that it is no manifest of a known format")


def _run(file: StoredFile, manifest: Mapping[str, Any], kind: str) -> ExportRun:
    resource = str(_of(manifest, "exportConfig", "resourceId"))
    parts = _parts(manifest)
    submitted = _instant(_of(manifest, "runInfo", "submittedTime"), "runInfo.submittedTime")
    run_id = str(manifest["runInfo"].get("runId") or "").strip()
    return ExportRun(
        run_id=run_id or digest((file.name, file.etag)),
        name=file.name,
        folder=folder_of(file.name),
        kind=COST_TYPES[kind],
        usage_only=kind == "usage",
        scope=_EXPORTS.sub("", resource).strip(),
        export=str(manifest["exportConfig"].get("exportName") or ""),
        submitted=submitted,
        first=_instant(_of(manifest, "runInfo", "startDate"), "runInfo.startDate", keep_zone=True).date(),
        last=_instant(_of(manifest, "runInfo", "endDate"), "runInfo.endDate", keep_zone=True).date(),
        to_date=str(manifest["exportConfig"].get("timeFrame")).lower() in _TO_DATE,
        parts=parts,
    )


def _first_generation(file: StoredFile, manifest: Mapping[str, Any]) -> ExportRun | None:
    parts = _parts(manifest)
    days = _days(file.name)
    if days is None:
        raise _Fault("does not say of which month it is, nor does a folder above it, such as 20261001-20261031")
    return ExportRun(
        run_id=digest([(file.name, file.etag), *parts]),
        name=file.name,
        folder=folder_of(file.name),
        kind=None,
        usage_only=False,
        scope=None,
        export="",
        submitted=_submitted(file.name) or file.modified,
        first=days[0],
        last=days[1],
        to_date=False,
        parts=parts,
    )


def _parts(manifest: Mapping[str, Any]) -> tuple[Part, ...]:
    blobs = manifest.get("blobs")
    if not isinstance(blobs, list):
        raise _missing("blobs")
    parts = []
    for blob in blobs:
        if not isinstance(blob, dict) or not str(blob.get("blobName") or "").strip():
            raise _missing("blobs.blobName")
        size = _count(blob, "byteCount")
        if size is None:
            raise _missing("blobs.byteCount")
        parts.append(Part(str(blob["blobName"]).strip(), size, _count(blob, "dataRowCount")))
    _check_total(manifest, "blobCount", len(parts))
    _check_total(manifest, "byteCount", sum(part.size or 0 for part in parts))
    rows = [part.rows for part in parts if part.rows is not None]
    if len(rows) == len(parts):
        _check_total(manifest, "dataRowCount", sum(rows))
    if len({part.name.lower() for part in parts}) < len(parts):
        raise _Fault("names a file twice")
    return tuple(parts)


def _check_total(manifest: Mapping[str, Any], name: str, found: int) -> None:
    total = _count(manifest, name)
    if total is not None and total != found:
        raise _Fault(f"has a {name} of {total}, and its files add up to {found}: run the export again")


def _count(values: Mapping[str, Any], name: str) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _missing(name)
    return value


def _of(manifest: Mapping[str, Any], group: str, name: str) -> Any:  # noqa: ANN401 - JSON
    fields = manifest.get(group)
    if not isinstance(fields, dict) or not fields.get(name):
        raise _missing(f"{group}.{name}")
    return fields[name]


def _instant(value: Any, name: str, *, keep_zone: bool = False) -> datetime:  # noqa: ANN401 - JSON
    """Return a moment; Azure writes it with seven digits of a second, with `Z`, an offset or no zone at all."""
    try:
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise _missing(name) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if keep_zone else moment.astimezone(UTC)


def _days(name: str) -> tuple[date, date] | None:
    """Return the days that the nearest folder above a file is named after."""
    for folder in reversed(PurePosixPath(name).parent.parts):
        if found := _DAYS.fullmatch(folder):
            try:
                return date.fromisoformat(found[1]), date.fromisoformat(found[2])
            except ValueError:
                return None
    return None


def _submitted(name: str) -> datetime | None:
    """Return the minute of the run that a folder above a file is named after."""
    for folder in reversed(PurePosixPath(name).parent.parts):
        if _MINUTE.fullmatch(folder):
            try:
                return datetime.strptime(folder, "%Y%m%d%H%M").replace(tzinfo=UTC)
            except ValueError:
                return None
    return None

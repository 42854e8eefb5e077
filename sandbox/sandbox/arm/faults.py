"""Which request to the simulated Resource Manager meets which fault; `server` acts.

A fault is written as those of the simulated key API: KIND[=ARG]@N, @N-M, %P or /YYYY-MM. With STAGE: before it, it
counts the requests of that stage only: `poll:failed@1`, `blob:403@2`, `usage:429=HEADER:2@1`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.api.faults import Fault, FaultPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

STAGES = ("usage", "report", "poll", "blob")
"""Pages of usageDetails, the asking for a report, the asking whether it is ready, and the files of it."""

KINDS = {
    "reset": "the connection is reset in the middle of the answer",
    "timeout": "waits ARG seconds before it answers",
    "truncated": "Content-Length says more than is sent",
    "malformed": "half of the body with a right Content-Length",
    "html": "status 200 and an HTML page",
    "nextlink": "a nextLink with another ARG: scheme, host, port or path; ARG repeat: the page's own",
    "nothing": "status 204",
    "again": "status 202 once more, without Location and Retry-After",
    "failed": "the report's status is Failed, with an error",
    "nodata": "the report's status is NoDataFound",
    "noblobs": "the report is completed without a manifest's blobs",
    "bytecount": "the manifest counts a byte more in the last blob and in all",
    "blobcount": "the manifest counts a blob more than it lists",
    "expired": "the blobs' SAS has expired",
    "redirect": "the blob answers 302 and names another port",
}
"""Kinds beside the status numbers of the key API's faults."""

ARGUMENTS = {"nextlink": {"scheme", "host", "port", "path", "repeat"}}


class StagedFaults:
    """Faults by stage, and those that count the requests of all stages.

    Args:
        specs: What follows a STAGE: or stands alone.
        seed: Decides which requests meet faults with a probability.

    Raises:
        ValueError: With a sentence about what is wrong.
    """

    def __init__(self, specs: Sequence[str], seed: int) -> None:
        """Begin with request 1 of each stage."""
        by_stage: dict[str, list[str]] = {stage: [] for stage in ("", *STAGES)}
        for spec in specs:
            stage, _, rest = spec.partition(":")
            by_stage[stage if stage in STAGES else ""].append(rest if stage in STAGES else spec)
        self._plans = {stage: FaultPlan(of, seed, tuple(KINDS), ARGUMENTS) for stage, of in by_stage.items()}

    def take(self, stage: str, month: str) -> tuple[int, Fault | None]:
        """Count a request of a stage for a month (`YYYY-MM`); return its number among all and its fault."""
        number, fault = self._plans[""].take(month, "0")
        _, staged = self._plans[stage].take(month, "0")
        return number, staged or fault

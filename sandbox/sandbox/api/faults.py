"""Which usage request meets which fault, from `503@2`, `429=date:1%0.1` or `csv/2026-09`; `server` acts."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

KINDS = {
    "reset": "the connection is reset in the middle of the answer",
    "timeout": "waits ARG seconds before it answers",
    "truncated": "Content-Length says more than is sent",
    "malformed": "cut JSON with a right Content-Length",
    "html": "status 200 and an HTML page",
    "nocontent": "a JSON object without `content`",
    "csv": "the CSV text of an empty month",
    "csvrows": "CSV text with usage rows",
    "empty": "no rows, and a nextLink to the same page, which then answers as usual",
    "nextlink": "a nextLink with another ARG: scheme, host, port, path or month; ARG repeat: one that was already used",
    "nobom": "the usual answer without its byte order mark",
    "nothing": "a JSON object whose `content` has no rows, without a nextLink",
    "throttled": "the same, with an `error` beside it",
    "linkname": "the nextLink under another name; ARG: upper (NextLink), lower (nextlink) or odata (@odata.nextLink)",
}
"""Kinds beside the status numbers 400 to 599.

Their ARG is a number of seconds for Retry-After, `date:SECONDS` for an HTTP date there, or HEADER:SECONDS.
"""

LINK_NAMES = {"upper": "NextLink", "lower": "nextlink", "odata": "@odata.nextLink"}

_SPEC = re.compile(
    r"(?P<kind>[a-z]+|[45]\d\d)(?:=(?P<argument>[^@%/]+))?"
    r"(?:@(?P<first>\d+)(?:-(?P<last>\d+))?|%(?P<probability>[\d.]+)|/(?P<month>\d{4}-\d\d))"
)
ARGUMENTS = {"nextlink": {"scheme", "host", "port", "path", "month", "repeat"}, "linkname": set(LINK_NAMES)}


@dataclass(frozen=True)
class Fault:
    """One fault and the usage requests that meet it.

    Attributes:
        kind: A status number's digits or one of `KINDS`.
        argument: What follows `=`, else ''.
        first: The first request that meets it, from 1.
        last: The last one.
        probability: 0 to 1 instead of first and last, else None.
        month: `YYYY-MM` instead of them: every request for this month's first page meets it; else ''.
    """

    kind: str
    argument: str
    first: int
    last: int
    probability: float | None
    month: str = ""

    @property
    def status(self) -> int | None:
        """The fault's HTTP status, None for the other kinds."""
        return int(self.kind) if self.kind.isdigit() else None


def parse_fault(
    spec: str, kinds: Collection[str] = tuple(KINDS), arguments: Mapping[str, Collection[str]] = ARGUMENTS
) -> Fault:
    """Return the fault that a specification KIND[=ARG]@N, @N-M, %P or /YYYY-MM describes.

    Args:
        spec: The specification.
        kinds: What there is beside status numbers.
        arguments: What may follow `=`, by kind.

    Raises:
        ValueError: With a sentence about what is wrong.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ValueError(f"The fault {spec!r} is none of KIND[=ARG]@N, @N-M, %P and /YYYY-MM.")
    kind, argument = match["kind"], match["argument"] or ""
    if not kind.isdigit() and kind not in kinds:
        raise ValueError(f"The fault {spec!r} is of no known kind: a status from 400 to 599, {', '.join(kinds)}.")
    if argument not in (known := arguments.get(kind, {argument})):
        raise ValueError(f"The fault {spec!r} needs one of {', '.join(sorted(known))} after {kind}=.")
    seconds = argument.rpartition(":")[2] if kind.isdigit() else argument
    if (kind == "timeout" or (kind.isdigit() and argument)) and not re.fullmatch(r"\d+(\.\d+)?", seconds):
        raise ValueError(f"The fault {spec!r} needs a number of seconds.")
    if match["probability"] is not None:
        probability = float(match["probability"])
        if probability > 1:
            raise ValueError(f"The fault {spec!r} has a probability above 1.")
        return Fault(kind, argument, 1, 0, probability)
    if match["month"] is not None:
        return Fault(kind, argument, 1, 0, None, match["month"])
    first = int(match["first"])
    return Fault(kind, argument, first, int(match["last"] or first), None)


class FaultPlan:
    """Counts usage requests and says which fault each meets; safe to use from several threads."""

    def __init__(
        self,
        specs: Sequence[str],
        seed: int,
        kinds: Collection[str] = tuple(KINDS),
        arguments: Mapping[str, Collection[str]] = ARGUMENTS,
    ) -> None:
        """Begin with request 1.

        Args:
            specs: See `parse_fault`; of several that fit a request the first is taken.
            seed: Decides which requests meet faults with a probability; request N always meets the same.
            kinds: See `parse_fault`.
            arguments: See `parse_fault`.
        """
        self._faults = [parse_fault(spec, kinds, arguments) for spec in specs]
        self._seed = seed
        self._lock = threading.Lock()
        self._count = 0

    def take(self, month: str = "", page: str = "") -> tuple[int, Fault | None]:
        """Count a request for a page (from `0`) of a month; return its number and its fault."""
        with self._lock:
            self._count += 1
            number = self._count
        return number, next(
            (
                fault
                for place, fault in enumerate(self._faults)
                if (fault.month == month and page == "0" if fault.month else self._meets(fault, place, number))
            ),
            None,
        )

    def _meets(self, fault: Fault, place: int, number: int) -> bool:
        if fault.probability is None:
            return fault.first <= number <= fault.last
        return random.Random(f"{self._seed}/{place}/{number}").random() < fault.probability  # noqa: S311 - no secret

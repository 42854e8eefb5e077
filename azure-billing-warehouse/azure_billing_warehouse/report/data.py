"""What the report shows, as models; the page gets them as JSON.

Costs are sums of Float64 before tax unless a name says otherwise, in the billing currency that stands beside them.
A row whose cost is null or not finite is in no sum: it counts as a row of unknown cost. Months, currencies and the
values of a cut are named once and referred to by their place in that list.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - Pydantic reads the annotations at run time
from typing import Literal, NamedTuple

from pydantic import BaseModel

from azure_billing_warehouse.check.checks import Problem  # noqa: TC001 - Pydantic reads the annotations at run time


class Cell(NamedTuple):
    """Usage rows of a month in a currency.

    Attributes:
        month: Place in `ReportData.months`.
        currency: Place in `ReportData.currencies`.
        cost: Sum of the costs that are known.
        cost_with_tax: Sum of the costs with tax that are known.
        rows: All rows.
        unknown: Those of them whose cost is unknown.
    """

    month: int
    currency: int
    cost: float
    cost_with_tax: float
    rows: int
    unknown: int


class Month(BaseModel):
    """A column of the report.

    A month that is still being billed is followed by its `comparison`: the month before up to the same day, so that
    like is compared with like. It is no month of its own and in no total.
    """

    month: dt.date
    """First day of the month."""
    state: Literal["whole", "failing", "missing"]
    """Missing: nothing of it is published for any enrollment. Failing: the verdict on an enrollment's month fails."""
    through: dt.date | None
    """Last day of usage, if its published extraction began before the month ended or it is a comparison."""
    is_comparison: bool = False


class Reconciliation(BaseModel):
    """Whether a month of an enrollment adds up: what the API gave = what is published + what was rejected."""

    enrollment_number: str
    month: int
    status: Literal["ok", "fails"]
    problems: list[Problem]
    notes: list[str]
    currencies: list[int]
    """Of the published rows; the API's cost is in them all together."""
    snapshot_at: dt.datetime | None
    """Of the newest snapshot, to which the figures belong; None if there is none."""
    is_published: bool
    """Whether that snapshot is the one that the views show."""
    published_snapshot_at: dt.datetime | None
    api_rows: int | None
    """None: no month row came."""
    api_cost: str | None
    """Exact sum, as decimal digits."""
    staged_rows: int
    staged_cost: float
    staged_cost_with_tax: float
    staged_unknown: int
    """Staged rows of unknown cost."""
    rejected_rows: int
    rejected_cost: float
    rejected_unknown: int
    """Rejected rows whose cost can't be read; no tax is known of any rejected row."""


class Value(NamedTuple):
    """A value of a cut, such as one application.

    Attributes:
        name: As it is shown; None: the row has none.
        detail: What else is known of it, such as a subscription's GUID, or ''.
        resources: Distinct resources, whatever their case.
        cells: Its rows.
    """

    name: str | None
    detail: str
    resources: int
    cells: list[Cell]


class Cut(BaseModel):
    """A way to divide the bill: every published row is in one of its values, or in `others`."""

    key: str
    """application, service, subscription, resource_group, department, cost_center, region, enrollment, or tag:NAME."""
    label: str
    values: list[Value]
    """Largest cost over all months first."""
    others: Value | None
    """What is not listed, all together; None if all is."""
    other_count: int
    """How many values that is."""


class Resource(NamedTuple):
    """A resource within one value of every cut; a resource that changed its application is there twice.

    Attributes:
        id: Resource id in one of its spellings, '' for rows without one; equal but for case is one resource.
        values: For each cut the place in its `values`, -1 for its `others`.
        cells: Its rows.
    """

    id: str
    values: list[int]
    cells: list[Cell]


class Day(NamedTuple):
    """A day's cost of one application.

    Attributes:
        date: The day of usage.
        currency: Place in `ReportData.currencies`.
        application: Place in the values of the cut application; -1: all that have no line of their own.
        cost: Sum of the costs that are known.
        unknown: Rows whose cost is unknown.
    """

    date: dt.date
    currency: int
    application: int
    cost: float
    unknown: int


class Unallocated(NamedTuple):
    """Rows without an application, by the reason.

    Attributes:
        reason: nothing_to_match: the row names no resource, group or subscription. no_match: it does, and no pattern
            matches. unknown: it was loaded by a version that didn't say, or migrated.
        cells: The rows.
    """

    reason: Literal["nothing_to_match", "no_match", "unknown"]
    cells: list[Cell]


class Suggestion(NamedTuple):
    """A word that would be a pattern for resources without an application; see `patterns suggest`."""

    word: str
    cost: float
    resources: int
    found_in: list[str]
    examples: list[str]


class Matched(NamedTuple):
    """A pattern that matches a resource.

    Attributes:
        pattern: Its text, in upper case.
        levels: Where it matches: last_segment, resource_group, subscription.
    """

    pattern: str
    levels: list[str]


class Conflict(NamedTuple):
    """A resource that more than one pattern matches.

    Attributes:
        id: Resource id in one of its spellings.
        selected: The pattern that its cost goes to.
        match_count: How many patterns matched when it was tracked.
        patterns: Those that match, the selected one first; fewer than `match_count` if they can't all be named.
        cells: Its rows.
    """

    id: str
    selected: str | None
    match_count: int
    patterns: list[Matched]
    cells: list[Cell]


class ApplicationRestatement(NamedTuple):
    """What a restatement changed for one application (None: none)."""

    application: str | None
    cost_before: float
    cost: float


class Restatement(BaseModel):
    """A month whose published snapshot replaced another complete one."""

    enrollment_number: str
    month: int
    before_at: dt.datetime
    at: dt.datetime
    rows_before: int
    rows: int
    cost_before: float
    cost: float
    applications: list[ApplicationRestatement]


class Finding(BaseModel):
    """What a rule found in a column in one month."""

    month: int
    rule: str
    severity: Literal["reject", "null", "warn"]
    column: str
    rows: int
    cost: float
    """Of these rows, as far as it is known."""
    unknown: int
    """Rows whose cost is unknown."""
    examples: list[str | None]
    """A few original values, shortened."""


class Load(BaseModel):
    """An extraction of a month."""

    enrollment_number: str
    month: dt.date
    at: dt.datetime
    state: Literal["published", "superseded", "not complete"]
    rows: int | None
    seconds: float | None


class ReportData(BaseModel):
    """Everything on the report, at actual cost."""

    database: str
    at: dt.datetime
    enrollments: list[str]
    currencies: list[str]
    """Largest cost first; '' for rows without one."""
    months: list[Month]
    """Every month from the first to the last, oldest first, the missing ones too."""
    reconciliations: list[Reconciliation]
    problems: list[Problem]
    """On an enrollment as a whole, such as that its newest load is too old, and on months at amortized cost."""
    cuts: list[Cut]
    """Application first."""
    resources: list[Resource]
    """Largest cost first, as many as fit; what is missing of a value is its cells less those of its resources."""
    resource_count: int
    """Distinct resources of all."""
    days: list[Day]
    undated: list[Cell]
    """Rows without a day, which `days` lacks."""
    unallocated: list[Unallocated]
    suggestions: list[Suggestion]
    suggestions_missing: str
    """Why there are none, as a sentence; '' if they could be made."""
    in_conflict: list[Cell]
    """All rows that more than one pattern matches."""
    conflicts: list[Conflict]
    """Largest cost first, as many as are shown."""
    restatements: list[Restatement]
    findings: list[Finding]
    rules: dict[str, str]
    """Rule -> what it does, as a sentence."""
    loads: list[Load]
    amortized_months: int
    """Months that are published at amortized cost too."""
    left_out: list[str] = []
    """What isn't on the page lest it grow too large, as sentences; values and resources say so themselves."""

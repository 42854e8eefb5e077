"""Writes the report: one HTML file, its charts and style inside; `content` reads what it shows."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.report.charts import Dot, Series, legend, stacked_bars, timeline
from azure_billing_warehouse.report.content import read_content
from azure_billing_warehouse.schema.views import AMORTIZED_DETAIL
from azure_billing_warehouse.tables import ACTUAL, with_dataset
from azure_billing_warehouse.wording import counted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from azure_billing_warehouse.check.expectations import Expectations
    from azure_billing_warehouse.check.ledger import Snapshot
    from azure_billing_warehouse.check.verdict import MonthCheck
    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.report.content import Content, Finding, Resource

_COLOURS = ("#2f6fde", "#e07b39", "#2a9d8f", "#8e5bd0", "#d64f7f", "#7a9a2e", "#1f9bcf", "#b5853a")
_OTHERS, _NONE, _CONFLICT, _REJECTED = "#a9b7c6", "#4b5563", "#e0a526", "#b3261e"
_SEVERITIES = {"reject": _REJECTED, "null": _CONFLICT, "warn": _OTHERS}
_STATES = {"published": "#1b7f4b", "superseded": _OTHERS, "not complete": _REJECTED}
_MONTHS_OF_HISTORY = 24
_MONTHS_IN_TABLE = 6


def write_report(
    config: ClickHouseConfig,
    path: Path,
    *,
    since: dt.date | None = None,
    expected: Expectations | None = None,
) -> None:
    """Write the report of the published months to a file; see `read_content` for the rest.

    Raises:
        WarehouseError: There is nothing to report on, or it can't be read.
        OperatorError: The file can't be written.
    """
    if not path.parent.is_dir():
        raise OperatorError(f"There is no folder {path.parent} for the report: make it, or name another file.")
    content = read_content(config, since=since, expected=expected)
    try:
        path.write_text(page(content), encoding="utf-8")
    except OSError as error:
        raise OperatorError(
            f"The report can't be written to {path} ({error.strerror}): name another file, or correct its permissions."
        ) from error


def page(content: Content) -> str:
    """Return the report as HTML."""
    style = (files("azure_billing_warehouse.report") / "report.css").read_text(encoding="utf-8")
    sections = "\n".join(
        section for part in (_tiles, _costs, _unallocated, _findings, _verdict, _history) for section in part(content)
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Azure bill in {escape(content.database)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>Azure bill</h1>\n<p>Published months in the database {escape(content.database)}, "
        f"{content.at:%d %B %Y %H:%M} UTC. All costs are before tax.{_amortized(content)}</p>\n"
        f"{sections}\n</main>\n</body>\n</html>\n"
    )


def _amortized(content: Content) -> str:
    if not content.amortized_months:
        return ""
    months = counted(content.amortized_months, "month")
    return (
        f" They are actual costs; {AMORTIZED_DETAIL} has amortized ones too, of {months}, "
        "which are not in the figures and charts."
    )


def _tiles(content: Content) -> Iterator[str]:
    shown = [month for month in content.verdict.months if month.published_snapshot_at and month.dataset == ACTUAL]
    newest = max((month.billing_month for month in shown), default=None)
    snapshots = [month.snapshot for month in shown if month.billing_month == newest and month.snapshot]
    qualities = [month.quality for month in shown if month.billing_month == newest and month.quality]
    by_currency: dict[str, float] = defaultdict(float)
    for cost in content.costs:
        if cost.month == newest:
            by_currency[cost.currency] += cost.cost
    whole = sum(snapshot.extended_cost + snapshot.rejected_extended_cost for snapshot in snapshots)
    failing = sum(month.status == "fails" for month in content.verdict.months)
    tiles = [(f"{cost:,.2f}", f"{currency} in {newest:%b %Y}".strip()) for currency, cost in by_currency.items()]
    for name, part in (
        ("without an application", sum(quality.unmatched_extended_cost for quality in qualities)),
        ("in conflict between patterns", sum(snapshot.conflict_extended_cost for snapshot in snapshots)),
        ("rejected", sum(snapshot.rejected_extended_cost for snapshot in snapshots)),
    ):
        tiles.append((f"{100 * part / whole:.1f} %" if whole else "-", f"of it {name}"))
    verdict = f"{failing} of {len(content.verdict.months)}" if failing else f"all {len(content.verdict.months)}"
    tiles.append((verdict, "months do not add up" if failing else "months add up"))
    listed = "".join(f"<div><b>{escape(figure)}</b><span>{escape(name)}</span></div>" for figure, name in tiles)
    yield f'<div class="tiles">{listed}</div>'


def _costs(content: Content) -> Iterator[str]:
    for currency in dict.fromkeys(cost.currency for cost in content.costs):
        costs = [cost for cost in content.costs if cost.currency == currency]
        months = sorted({cost.month for cost in costs})
        totals: dict[str | None, float] = defaultdict(float)
        table: dict[tuple[str | None, dt.date], float] = defaultdict(float)
        for cost in costs:
            totals[cost.application] += cost.cost
            table[cost.application, cost.month] += cost.cost
        named = sorted((name for name in totals if name), key=lambda name: -totals[name])
        shown = [*zip(named, _COLOURS, strict=False), (None, _OTHERS), ("", _NONE)]
        series = [
            Series(_application(name), colour, [table[name, month] for month in months])
            for name, colour in shown
            if name in totals
        ]
        title = f"Cost by month and application{f', {currency}' if currency else ''}"
        chart = stacked_bars(title, [f"{month:%b %Y}" for month in months], series)
        rows = [
            (one.name, *(f"{value:,.2f}" for value in [*one.values[-_MONTHS_IN_TABLE:], sum(one.values)]))
            for one in series
        ]
        headings = ("Application", *(f"{month:%b %Y}" for month in months[-_MONTHS_IN_TABLE:]), "All months")
        key = legend([(one.name, one.colour) for one in series])
        yield _section(
            title, "The largest applications, all others, and cost without one.", chart, key, _table(headings, rows)
        )


def _unallocated(content: Content) -> Iterator[str]:
    months = sorted({month.billing_month for month in content.verdict.months})
    unmatched: dict[dt.date, float] = defaultdict(float)
    for cost in content.costs:
        if cost.application == "":
            unmatched[cost.month] += cost.cost
    conflicts = dict(content.conflicts)
    series = [
        Series("without an application", _NONE, [unmatched[month] for month in months]),
        Series("in conflict between patterns", _CONFLICT, [conflicts.get(month, 0.0) for month in months]),
    ]
    title = "Unmatched and conflicting cost"
    yield _section(
        title,
        "No pattern matched, or more than one did and the first level's lowest id was taken.",
        stacked_bars(title, [f"{month:%b %Y}" for month in months], series),
        legend([(one.name, one.colour) for one in series]),
        _resources("Largest resources without an application", "", content.unmatched_resources),
        _resources("Largest resources in conflict", "Patterns, the chosen one first", content.conflict_resources),
    )


def _findings(content: Content) -> Iterator[str]:
    months = sorted({month.billing_month for month in content.verdict.months})
    rows: dict[tuple[str, dt.date], int] = defaultdict(int)
    for finding in content.findings:
        rows[finding.severity, finding.month] += finding.rows
    series = [
        Series(severity, colour, [float(rows[severity, month]) for month in months])
        for severity, colour in _SEVERITIES.items()
    ]
    title = "Findings by month"
    by_rule: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in content.findings:
        by_rule[finding.rule, finding.column, finding.severity].append(finding)
    listed = [
        (*rule, f"{sum(one.rows for one in found):,}", f"{sum(one.cost for one in found):,.2f}")
        for rule, found in sorted(by_rule.items(), key=lambda entry: (len(entry[0][0]), entry[0]))
    ]
    yield _section(
        title,
        "Rows rejected, values set to null, and warnings; a row can have more than one finding.",
        stacked_bars(title, [f"{month:%b %Y}" for month in months], series),
        legend(list(_SEVERITIES.items())),
        _table(("Rule", "Column", "Severity", "Rows", "Cost of these rows"), listed, numbers=2),
    )


def _verdict(content: Content) -> Iterator[str]:
    rows = [
        (
            with_dataset(f"{month.enrollment_number} {month.billing_month:%b %Y}", month.dataset),
            month.status,
            "; ".join([*(problem.text for problem in month.problems), *month.notes]),
            *_counts(month.snapshot),
            _restated(month),
        )
        for month in content.verdict.months
    ]
    headings = ("Month", "Verdict", "What was found", "API rows", "Staged", "Rejected", "Restated by")
    yield _section("Does each month add up?", "The newest snapshot of each month.", _table(headings, rows, numbers=4))


def _history(content: Content) -> Iterator[str]:
    snapshots = sorted(content.snapshots, key=lambda snapshot: (snapshot.enrollment_number, snapshot.billing_month))
    labels = list(dict.fromkeys(_line(snapshot) for snapshot in snapshots))[-_MONTHS_OF_HISTORY:]
    dots = []
    for snapshot in snapshots:
        state = "superseded" if snapshot.complete else "not complete"
        if snapshot.published:
            state = "published"
        elif not snapshot.delivered_row_count and snapshot.month_row:
            state = "superseded"  # and pruned: only its month row remains
        title = f"{_line(snapshot)}, {snapshot.snapshot_at:%Y-%m-%d %H:%M} UTC: {state}{_size(snapshot)}"
        if _line(snapshot) in labels:
            dots.append(Dot(_line(snapshot), snapshot.snapshot_at, _STATES[state], title))
    title = "Load history"
    about = "Each dot is an extraction of a month; the newest complete one is published."
    yield _section(title, about, timeline(title, labels, dots), legend(list(_STATES.items())))


def _counts(snapshot: Snapshot | None) -> tuple[str, str, str]:
    """Return the numbers of rows that the API sent, that are staged, that are rejected."""
    if snapshot is None:
        return "-", "-", "-"
    given = f"{snapshot.month_row.row_count:,}" if snapshot.month_row else "?"
    return given, f"{snapshot.distinct_row_count:,}", f"{snapshot.rejected_row_count:,}"


def _restated(month: MonthCheck) -> str:
    if month.restatement is None:
        return ""
    return f"{month.restatement.extended_cost - month.restatement.extended_cost_before:+,.2f}"


def _line(snapshot: Snapshot) -> str:
    return f"{snapshot.enrollment_number} {snapshot.billing_month:%Y-%m}"


def _size(snapshot: Snapshot) -> str:
    if snapshot.month_row is None:
        return ""
    seconds = (snapshot.month_row.completed_at - snapshot.month_row.started_at).total_seconds()
    return f", {counted(snapshot.month_row.row_count, 'row', ',')} in {seconds:,.0f} s"


def _application(name: str | None) -> str:
    return {None: "all others", "": "without an application"}.get(name, name or "")


def _resources(title: str, matches: str, resources: Sequence[Resource]) -> str:
    if not resources:
        return ""
    rows = [
        (one.name or "(no instance id)", *([one.matches] if matches else []), f"{one.cost:,.2f} {one.currency}".strip())
        for one in resources
    ]
    return _table((title, *([matches] if matches else []), "Cost"), rows, numbers=1)


def _section(title: str, about: str, *parts: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n<p>{escape(about)}</p>\n{''.join(parts)}\n</section>"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: int | None = None) -> str:
    """Return a table whose last `numbers` columns are numbers, by default all but the first."""
    first_number = len(headings) - (len(headings) - 1 if numbers is None else numbers)

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{_class(place >= first_number, cell)}>{escape(cell)}</{tag}>" for place, cell in enumerate(row)
        )

    if not rows:
        return "<p>None.</p>"
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', headings)}</tr></thead><tbody>{body}</tbody></table>"


def _class(is_number: bool, cell: str) -> str:  # noqa: FBT001 - private
    if is_number:
        return ' class="number"'
    return f' class="{cell}"' if cell in {"ok", "fails"} else ""

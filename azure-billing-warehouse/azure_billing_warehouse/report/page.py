"""Makes the report: one HTML file with its data, script, style and chart library inside; `content` reads the data."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.report.content import read_report
from azure_billing_warehouse.schema.views import AMORTIZED_DETAIL
from azure_billing_warehouse.wording import counted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    from azure_billing_warehouse.check.expectations import Expectations
    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.report.data import ReportData

SCRIPTS = ("figures", "elements", "bill", "charts", "daily", "explore", "verdict", "sections", "main")
"""The files of `script/` in the order in which they build on each other: together they are one module of JavaScript."""
_ESCAPES = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
"""What JSON in HTML must not hold, so that no value can end the element that it stands in."""


def write_report(
    config: ClickHouseConfig,
    path: Path,
    *,
    since: dt.date | None = None,
    expected: Expectations | None = None,
    tags: Sequence[str] = ("app",),
) -> None:
    """Write the report of the published months to a file; see `read_report` for the rest.

    Raises:
        WarehouseError: There is nothing to report on, or it can't be read.
        OperatorError: The file can't be written.
    """
    if not path.parent.is_dir():
        raise OperatorError(f"There is no folder {path.parent} for the report: make it, or name another file.")
    data = read_report(config, since=since, expected=expected, tags=tags)
    try:
        path.write_text(page(data), encoding="utf-8")
    except OSError as error:
        raise OperatorError(
            f"The report can't be written to {path} ({error.strerror}): name another file, or correct its permissions."
        ) from error


def page(data: ReportData) -> str:
    """Return the report as HTML."""
    style = _text("report.css")
    chart = re.sub(r"\n//# sourceMappingURL=.*\n?\Z", "\n", _text("vendor", "chart.umd.min.js"))
    script = "\n".join(_text("script", f"{name}.js") for name in SCRIPTS)
    parts = {
        "policy": (
            f"default-src 'none'; script-src {_hashed(chart)} {_hashed(script)}; style-src {_hashed(style)}; "
            "base-uri 'none'; form-action 'none'"
        ),
        "database": escape(data.database),
        "about": escape(_about(data)),
        "style": style,
        "chart": chart,
        "script": script,
        "bill": re.sub(f"[{''.join(_ESCAPES)}]", lambda found: _ESCAPES[found[0]], data.model_dump_json()),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text("page.html"))


def _about(data: ReportData) -> str:
    enrollments = f"{'Enrollment' if len(data.enrollments) == 1 else 'Enrollments'} {', '.join(data.enrollments)}"
    about = (
        f"{enrollments}. Published months in the database {data.database}, {data.at:%d %B %Y %H:%M} UTC. "
        "Costs are before tax unless it says otherwise."
    )
    if not data.amortized_months:
        return about
    months = counted(data.amortized_months, "month")
    return (
        f"{about} They are actual costs; {AMORTIZED_DETAIL} has amortized ones too, of {months}, "
        "which are not in the figures and charts."
    )


def _text(*path: str) -> str:
    return files("azure_billing_warehouse.report").joinpath(*path).read_text(encoding="utf-8")


def _hashed(text: str) -> str:
    """Return the source expression that allows an element with this text, and nothing else."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

"""The report, made from a real ClickHouse and opened in a real browser."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from warehouse.loading import SECOND, SEPTEMBER

from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.report.charts import Series, stacked_bars
from azure_billing_warehouse.report.page import write_report

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.loading import Warehouse

CHROMIUM = shutil.which("chromium")
HOSTILE = '<img src=x onerror="document.title=1">&\'"'
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def load(warehouse: Warehouse) -> None:
    """Two months of three applications, one restated, with a hostile name, a credit, a conflict and rejected rows."""
    warehouse.load([90.0, 10.0])
    warehouse.stage(
        [100.0, 50.0, 25.0, -5.0],
        snapshot=SECOND,
        resource_tracking=["PAYROLL", HOSTILE, "VM-1", "SHOP"],
        match_level=["resource_group", "resource_group", None, "resource_group"],
    )
    warehouse.reject([5.0], first_row=5, snapshot=SECOND)
    warehouse.audit(50.0, conflict=True, snapshot=SECOND)
    warehouse.finish([100.0, 50.0, 25.0, -5.0], snapshot=SECOND, rejected=[5.0], audit_count=1)
    warehouse.load([40.0, 60.0], month=SEPTEMBER, snapshot=SECOND, resource_tracking=["SHOP", "PAYROLL"])
    warehouse.stage([1.0], month=dt.date(2026, 10, 1), snapshot=SECOND)


def test_the_report_holds_everything_in_one_file_and_fetches_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    load(warehouse)
    path = tmp_path / "bill.html"
    write_report(warehouse.config, path)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|https?://", text)
    assert HOSTILE not in text
    for figure in ("160.00", "CNY in Sep 2026", "of it without an application", "no month row came", "-5.00"):
        assert figure in text


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
def test_a_browser_shows_every_chart_and_reads_no_value_as_html(warehouse: Warehouse, tmp_path: Path) -> None:
    load(warehouse)
    path = tmp_path / "bill.html"
    write_report(warehouse.config, path)
    dom = subprocess.run(
        [CHROMIUM or "", *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    ).stdout
    assert "<title>Azure bill in " in dom, "the page's title is as written: no value ran as a script"
    assert dom.count("<svg") == 4
    assert "<img" not in dom
    charts = dict(re.findall(r'<svg[^>]*aria-label="([^"]*)">(.*?)</svg>', dom, flags=re.DOTALL))
    bars = re.findall(r"<rect[^>]*><title>([^<]*)</title>", charts["Cost by month and application, CNY"])
    assert "Aug 2026 · without an application: 25.00" in bars
    assert "Aug 2026 · SHOP: -5.00" in bars
    assert len(bars) == 6
    assert len(re.findall("<rect", charts["Unmatched and conflicting cost"])) == 2
    assert len(re.findall("<rect", charts["Findings by month"])) == 2
    dots = re.findall(r"<circle[^>]*><title>([^<]*)</title>", charts["Load history"])
    assert [dot.split(": ")[1].split(",")[0] for dot in dots] == [
        "superseded",
        "published",
        "published",
        "not complete",
    ]


def test_without_a_month_there_is_no_report(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="There is no month to report on"):
        write_report(warehouse.config, tmp_path / "bill.html")
    assert not (tmp_path / "bill.html").exists()


@pytest.mark.parametrize("values", [[0.0], [-3.0], [1e-9], [5e12], [1.0, -1.0]], ids=str)
def test_a_chart_stays_in_its_frame_whatever_the_costs(values: list[float]) -> None:
    chart = stacked_bars("Cost", [f"month {place}" for place in range(len(values))], [Series("one", "#000", values)])
    for y, height in re.findall(r'<rect x="[^"]*" y="([^"]*)" width="[^"]*" height="([^"]*)"', chart):
        assert float(y) >= 0
        assert float(y) + float(height) <= 300

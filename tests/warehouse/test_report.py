"""The report, opened in a real browser: what it shows are plain sums, and nothing leaves the page."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect, sync_playwright
from warehouse.loading import SECOND, SEPTEMBER
from warehouse.report_example import CUTS, Line, plain_sum, report_data, rich_lines, rich_report

from azure_billing_warehouse.check.checks import Problem
from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.errors import OperatorError
from azure_billing_warehouse.report.data import (
    ApplicationRestatement,
    Conflict,
    Finding,
    Load,
    Matched,
    Restatement,
    Suggestion,
)
from azure_billing_warehouse.report.page import page, write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser, Locator, Page
    from warehouse.loading import Warehouse

    from azure_billing_warehouse.report.data import ReportData

    Open = Callable[..., Page]

CHROMIUM = shutil.which("chromium")
HOSTILE = '</script><img src=x onerror="document.title=1">&\'"\u2028'
PLACE = "/subscriptions/0f1e2d3c-9c1d-4f2e-8a51-6b0f3c2d1e00"
PLAIN: dict[str, str | None] = dict.fromkeys(CUTS, "x")
NOVEMBER = dt.date(2026, 11, 1)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def rich() -> ReportData:
    return rich_report()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """A way to open a report; at the end no page may have said anything or asked for anything but itself."""
    path = tmp_path / "bill.html"
    said: list[str] = []
    asked: set[str] = set()
    contexts = []

    def open_page(data: ReportData, address: str = "", **options: Any) -> Page:
        path.write_text(page(data), encoding="utf-8")
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        shown = context.new_page()
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.on("request", lambda request: asked.add(request.url.partition("#")[0]))
        shown.goto(f"{path.as_uri()}{address}")
        return shown

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert asked <= {path.as_uri()}


def save(shown: Page, tmp_path: Path, name: str) -> None:
    """Keep a screenshot, in the folder of REPORT_SCREENSHOTS too if it is set."""
    for folder in filter(None, (str(tmp_path), os.environ.get("REPORT_SCREENSHOTS"))):
        shown.screenshot(path=Path(folder) / f"report-{name}.png", full_page=True)


def row_of(shown: Page, name: str, table: str = "#table") -> Locator:
    """The row whose first cell begins with a name."""
    return shown.locator(f"{table} tr").filter(
        has=shown.locator("th:first-child", has_text=re.compile(f"^{re.escape(name)}"))
    )


def cells(row: Locator) -> list[str]:
    return [text.strip() for text in row.locator("th, td").all_text_contents()]


def money(cost: float) -> str:
    return f"{cost:,.2f}"


def signed(cost: float) -> str:
    return f"{cost:+,.2f}"


def of_month(lines: Sequence[Line], month: dt.date, last: int = 31) -> list[Line]:
    return [line for line in lines if line.month == month and line.day.day <= last and line.currency == "CNY"]


def test_figures_are_plain_sums_and_an_open_month_is_compared_with_the_same_days(
    rich: ReportData, opened: Open
) -> None:
    lines = rich_lines()
    shown = opened(rich, "#month=2026-11&by=resource_group")
    now, before = of_month(lines, NOVEMBER), of_month(lines, dt.date(2026, 10, 1), 24)
    change = plain_sum(now) - plain_sum(before)
    unknown = sum(line.cost is None for line in now)
    tax = math.fsum(line.tax for line in now if line.cost is not None)
    tile = shown.locator("#tile-cost")
    assert tile.text_content() == (
        f"Nov 2026 so far, to 24 Nov, CNY{money(plain_sum(now))} + {unknown} rows of unknown cost{money(tax)} with tax"
    )
    assert signed(change) in (shown.locator("#tile-change").text_content() or "")
    assert f"{100 * change / plain_sum(before):+.1f} %" in (shown.locator("#tile-change").text_content() or "")
    assert f"{money(plain_sum(before))}" in (shown.locator("#tile-change").text_content() or "")
    assert "1\u201324 Oct" in (shown.locator("#tile-change").text_content() or "")
    without = plain_sum(line for line in now if line.values["application"] is None)
    assert f"{100 * without / plain_sum(now):.1f} %" in (shown.locator("#tile-unallocated").text_content() or "")
    assert "4 rows" in (shown.locator("#tile-rejected").text_content() or "")

    groups = {line.values["resource_group"] for line in now + before}
    listed = {value.name for value in rich.cuts[3].values}
    others = [line for line in now if line.values["resource_group"] not in listed]
    assert others, "the cut has values that are not listed"
    assert money(plain_sum(others)) in cells(row_of(shown, f"{rich.cuts[3].other_count} others"))[1]
    assert shown.locator("#found").text_content() == f"{len(groups & listed) + 1} of {len(groups & listed) + 1} rows"
    total = cells(row_of(shown, "TOTAL"))
    assert total[1].startswith(money(plain_sum(now)))
    assert (total[2], total[5]) == ("100.0 %", signed(change))
    precise = row_of(shown, "TOTAL").locator("[title]").first.get_attribute("title")
    assert precise is not None
    assert math.isclose(float(precise), plain_sum(now), rel_tol=1e-14)

    shown.locator("#by").select_option("application")
    payroll = [[line for line in part if line.values["application"] == "PAYROLL"] for part in (now, before)]
    moved = plain_sum(payroll[0]) - plain_sum(payroll[1])
    expect(row_of(shown, "PAYROLL").locator("td").nth(4)).to_have_text(signed(moved))
    risen = shown.locator("#movers-lists tbody tr").all_text_contents()
    assert any(text.startswith("PAYROLL") and signed(moved) in text for text in risen)


def test_a_drilled_value_adds_up_with_the_resources_that_are_not_listed(rich: ReportData, opened: Open) -> None:
    lines = [line for line in rich_lines() if line.currency == "CNY" and line.values["application"] == "PAYROLL"]
    listed = {resource.id for resource in rich.resources}
    rest = [line for line in lines if line.resource not in listed]
    shown = opened(rich, "#by=resource&in.application=PAYROLL")
    remainder = row_of(shown, "more resources, not listed one by one")
    assert cells(remainder)[-2] == money(plain_sum(rest))
    assert cells(row_of(shown, "TOTAL"))[-2] == money(plain_sum(lines))
    assert remainder.locator("button").count() == 0

    shown.goto(shown.url.replace("by=resource", "by=service"))
    storage = [line for line in lines if line.resource in listed and line.values["service"] == "Storage"]
    expect(row_of(shown, "Storage").locator("td").nth(-2)).to_have_text(money(plain_sum(storage)))
    row_of(shown, "Storage").get_by_role("button").click()
    expect(shown.locator("#about")).to_contain_text("Only of resources that are listed one by one")
    assert cells(row_of(shown, "TOTAL"))[-2] == money(plain_sum(storage))


def test_what_fails_or_is_missing_stands_at_the_top_and_in_the_chart(
    rich: ReportData, opened: Open, tmp_path: Path
) -> None:
    shown = opened(rich)
    banner = shown.get_by_role("alert")
    expect(banner.get_by_role("heading")).to_have_text("3 months of 26 are missing or don't add up")
    problems = banner.get_by_role("listitem")
    assert problems.count() == 4
    expect(problems.nth(1)).to_contain_text("77777777, Jun 2026: C1 the month was never loaded")
    expect(problems.nth(3).locator("code")).to_contain_text(
        "START_DATE=2026-09 TAP_AZURE_EA_BILLING_END_DATE=2026-09 meltano"
    )
    shown.locator("#months summary").click()
    assert [row.split(",")[-1].strip() for row in shown.locator("#months tbody th").all_text_contents()] == [
        *(f"{month} {year}" for month, year in [("Nov", 2025), ("Dec", 2025)]),
        *(f"{month} 2026" for month in ("Jan", "Feb", "Mar", "Apr", "May")),
        "missing",
        "Jul 2026",
        "Aug 2026",
        "fails",
        "Oct 2026",
        "to 24 Nov",
    ]
    failing = shown.locator("#reconciliation tbody tr", has_text="fails").first
    assert "+31.25" in (failing.text_content() or "")
    save(shown, tmp_path, "light")

    expect(shown.locator("header")).to_contain_text("azure_billing_amortized has amortized ones too, of 4 months,")
    expect(shown.locator("#left-out")).to_have_text("60 of 412 loads are shown: the newest.")

    good = report_data([Line(dt.date(2026, 8, day), "CNY", PLAIN, "/r", 1.0, 1.06) for day in (1, 2)])
    quiet = opened(good)
    assert quiet.get_by_role("alert").count() == 0
    expect(quiet.locator("#verdict")).to_have_text("The month adds up.")
    expect(quiet.locator("#tile-change")).to_contain_text("the month before isn't there")
    without = opened(good, java_script_enabled=False)
    assert "is drawn by JavaScript, which is switched off here" in (without.locator("noscript").text_content() or "")
    expect(without.locator("noscript p")).to_be_visible()


def test_no_value_is_read_as_html(opened: Open) -> None:
    values: dict[str, str | None] = dict.fromkeys(CUTS, HOSTILE)
    resource = f"/subscriptions/s/resourceGroups/{HOSTILE}/providers/x/{HOSTILE}"
    data = report_data([Line(dt.date(2026, 8, 1), HOSTILE, values, resource, 5.0)], failing=[dt.date(2026, 8, 1)])
    problem = Problem(check="C1", text=HOSTILE, cure=HOSTILE)
    at = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
    resources = data.resources
    data = data.model_copy(
        update={
            "database": HOSTILE,
            "enrollments": [HOSTILE],
            "problems": [problem],
            "reconciliations": [
                one.model_copy(
                    update={"problems": [problem], "notes": [HOSTILE], "enrollment_number": HOSTILE, "status": "fails"}
                )
                for one in data.reconciliations
            ],
            "suggestions": [Suggestion(HOSTILE, 1.0, 1, [HOSTILE], [HOSTILE])],
            "conflicts": [Conflict(HOSTILE, HOSTILE, 2, [Matched(HOSTILE, [HOSTILE])], resources[0].cells)],
            "restatements": [
                Restatement(
                    enrollment_number=HOSTILE,
                    month=0,
                    before_at=at,
                    at=at,
                    rows_before=1,
                    rows=1,
                    cost_before=1.0,
                    cost=2.0,
                    applications=[ApplicationRestatement(HOSTILE, 1.0, 2.0)],
                )
            ],
            "findings": [
                Finding(
                    month=0,
                    rule=HOSTILE,
                    severity="reject",
                    column=HOSTILE,
                    rows=1,
                    cost=1.0,
                    unknown=0,
                    examples=[HOSTILE],
                )
            ],
            "rules": {HOSTILE: HOSTILE},
            "loads": [Load(enrollment_number=HOSTILE, month=NOVEMBER, at=at, state="published", rows=1, seconds=1.0)],
        }
    )
    assert page(data).count("</script") == 3
    shown = opened(data, "#month=2026-08")
    shown.locator("#table tbody button").click()
    shown.locator("#table tbody button").click()
    expect(shown.locator("#trail [aria-current]")).to_have_text(f"Resource: {HOSTILE.rpartition('/')[2]}")
    assert shown.title().startswith("Azure bill in </script><img"), "no value ran as a script"
    assert shown.locator("main img, main script").count() == 0
    text = shown.locator("main").inner_text()
    for part in (
        "#verdict",
        "#reconciliation",
        "#restatements",
        "#unallocated",
        "#conflicts",
        "#findings",
        "#loads",
        "header",
    ):
        assert HOSTILE[:-1] in (shown.locator(part).text_content() or ""), part
    assert "onerror" in text


def test_search_sort_and_drill_down_by_keyboard(rich: ReportData, opened: Open, tmp_path: Path) -> None:
    shown = opened(rich, "#month=2026-10")
    shown.locator("#search").focus()
    shown.keyboard.type("LED")
    expect(shown.locator("#found")).to_have_text("1 of 13 rows")
    assert cells(row_of(shown, "Found: 1 of 13"))[1] == cells(row_of(shown, "LEDGER"))[1]
    for _ in "LED":
        shown.keyboard.press("Backspace")

    heads = shown.locator("#table thead th")
    expect(heads.nth(1)).to_have_attribute("aria-sort", "descending")
    heads.nth(0).get_by_role("button").focus()
    shown.keyboard.press("Enter")
    expect(heads.nth(0)).to_have_attribute("aria-sort", "ascending")
    names = shown.locator("#table tbody th").all_text_contents()
    assert names == sorted(names, key=str.lower)
    shown.keyboard.press("Enter")
    expect(heads.nth(0)).to_have_attribute("aria-sort", "descending")

    row_of(shown, "PAYROLL").get_by_role("button").focus()
    shown.keyboard.press("Enter")
    expect(shown.locator("#trail [aria-current]")).to_be_focused()
    expect(shown.locator("#trail [aria-current]")).to_have_text("Application: PAYROLL")
    save(shown, tmp_path, "drilled")
    resource = shown.locator("#table tbody button").first
    name = resource.text_content()
    resource.focus()
    shown.keyboard.press("Enter")
    expect(shown.locator("#trail [aria-current]")).to_have_text(f"Resource: {name}")
    expect(shown.locator("#facts dd")).to_contain_text("/subscriptions/")
    shown.reload()
    expect(shown.locator("#trail li")).to_have_text(
        ["All months", "Oct 2026", "Application: PAYROLL", f"Resource: {name}"]
    )
    shown.go_back()
    expect(shown.locator("#trail [aria-current]")).to_have_text("Application: PAYROLL")
    shown.locator("#trail button", has_text="Oct 2026").focus()
    shown.keyboard.press("Enter")
    expect(row_of(shown, "SHOP")).to_be_visible()
    assert shown.locator("#by").input_value() == "application"

    shown.locator("#months canvas").click(position={"x": 950, "y": 230})
    expect(shown.locator("#trail [aria-current]")).to_contain_text("Application: ")


def test_an_unknown_cost_says_so_and_credits_stay_below_zero(opened: Open) -> None:
    def line(application: str, cost: float | None, month: int = 9) -> Line:
        return Line(
            dt.date(2026, month, 3),
            "CNY",
            {**PLAIN, "application": application},
            f"/{application}",
            cost,
        )

    data = report_data(
        [
            line("LOST", None),
            line("HALF", 1234.0),
            *[line("HALF", None)] * 3,
            line("CREDIT", -50.0),
            line("CREDIT", 20.0, 8),
        ]
    )
    shown = opened(data, "#month=2026-09")
    assert cells(row_of(shown, "LOST"))[1:] == ["unknown", "unknown", "unknown", "\u2013", "\u2013", "\u2013"]
    assert cells(row_of(shown, "HALF"))[1] == "1,234.00 + 3 rows of unknown cost"
    assert cells(row_of(shown, "CREDIT"))[1:] == ["-50.00", "-4.2 %", "unknown", "20.00", "-70.00", "-350.0 %"]
    assert cells(row_of(shown, "TOTAL"))[1] == "1,184.00 + 4 rows of unknown cost"
    opened(data, "#by=resource&in.application=LOST")


def test_the_currency_is_chosen_and_stays_in_the_address(rich: ReportData, opened: Open) -> None:
    shown = opened(rich, "#month=2026-10")
    shown.locator("#currency").select_option(label="USD")
    dollars = [line for line in rich_lines() if line.currency == "USD" and line.month == dt.date(2026, 10, 1)]
    expect(shown.locator("#tile-cost")).to_contain_text(f"Oct 2026, USD{money(plain_sum(dollars))}")
    assert cells(row_of(shown, "TOTAL"))[1].startswith(money(plain_sum(dollars)))
    shown.reload()
    expect(shown.locator("#currency")).to_have_value("1")


def test_phone_dark_mode_and_paper(rich: ReportData, opened: Open, tmp_path: Path) -> None:
    phone = opened(rich, "#month=2026-11", viewport={"width": 390, "height": 844}, color_scheme="dark")
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    ground = "getComputedStyle(document.body).backgroundColor"
    assert phone.evaluate(ground) == "rgb(18, 23, 29)"
    corner = "document.querySelector('#months canvas').toDataURL()"
    dark = phone.evaluate(corner)
    save(phone, tmp_path, "phone")
    phone.emulate_media(color_scheme="light")
    phone.wait_for_function(f"dark => {corner} !== dark", arg=dark)

    paper = opened(rich, "#month=2026-11", color_scheme="dark")
    save(paper, tmp_path, "dark")
    assert not paper.locator("#findings details").nth(1).get_attribute("open")
    paper.emulate_media(media="print")
    expect(paper.locator("html")).to_have_class("printing")
    assert paper.evaluate(ground) == "rgb(255, 255, 255)"
    expect(paper.locator("#month")).to_be_hidden()
    expect(paper.locator("#findings details table").nth(1)).to_be_visible()
    save(paper, tmp_path, "print")
    paper.emulate_media(media="screen")
    expect(paper.locator("html")).not_to_have_class("printing")
    assert paper.pdf(path=tmp_path / "bill.pdf", format="A4")[:4] == b"%PDF"


def test_a_large_bill_stays_below_3_mb_and_adds_up(opened: Open) -> None:
    months = [dt.date(2025 + (10 + place) // 12, (10 + place) % 12 + 1, 5) for place in range(13)]
    lines = [
        Line(
            month,
            "CNY",
            {**dict.fromkeys(CUTS, f"v{number % 50}"), "application": f"APP-{number % 20}", "enrollment": "1"},
            f"{PLACE}/resourceGroups/rg-{number % 300}/providers/Microsoft.Compute/virtualMachines/vm-{number}",
            1e4 / 3 / (number + 1) + month.month / 7,
            1e4 / 2.8 / (number + 1),
        )
        for number in range(5000)
        for month in months[number % 9 : number % 9 + 5]
    ]
    data = report_data(lines, resources_listed=4900)
    assert len(page(data).encode()) < 3_000_000
    shown = opened(data, "#by=resource")
    total = plain_sum(lines)
    expect(row_of(shown, "TOTAL").locator("td").nth(-2)).to_have_text(money(total))
    shown.locator("#search").fill("VM-4")
    expect(shown.locator("#found")).to_have_text(re.compile(r"^\d[\d,]* of \d,\d+ rows$"))
    expect(shown.get_by_role("button", name="Show all").first).to_be_visible()
    shown.locator("#search").fill("not listed one by one")
    (rest,) = shown.locator("#table tbody tr").all()
    listed = json.loads(shown.locator("#bill").text_content() or "")["resources"]
    assert cells(rest)[0] == f"{5000 - len(listed):,} more resources, not listed one by one"
    known = {resource[0] for resource in listed}
    assert cells(rest)[-2] == money(plain_sum(line for line in lines if line.resource not in known))


def test_the_file_allows_no_request_and_says_what_it_needs(rich: ReportData) -> None:
    text = page(rich)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert re.fullmatch(
        r"default-src 'none'; script-src 'sha256-\S+' 'sha256-\S+'; style-src 'sha256-\S+'; "
        r"base-uri 'none'; form-action 'none'",
        policy[1],
    )
    assert not re.search(r"<link|<iframe|@import|sourceMappingURL|innerHTML *=(?!=)", text.partition("/*!")[0])
    assert "sourceMappingURL" not in text
    assert "<noscript>" in text


def load(warehouse: Warehouse) -> None:
    """Two months of three applications, one restated, with a hostile name, a credit, a conflict and rejected rows."""
    warehouse.load([90.0, 10.0])
    warehouse.stage(
        [100.0, 50.0, 25.0, -5.0],
        snapshot=SECOND,
        resource_tracking=["PAYROLL", HOSTILE, "VM-1", "SHOP"],
        match_level=["resource_group", "resource_group", None, "resource_group"],
        match_count=[2, 1, 0, 1],
    )
    warehouse.reject([5.0], first_row=5, snapshot=SECOND)
    warehouse.audit(50.0, conflict=True, snapshot=SECOND)
    warehouse.finish([100.0, 50.0, 25.0, -5.0], snapshot=SECOND, rejected=[5.0], audit_count=1)
    warehouse.load([40.0, 60.0], month=SEPTEMBER, snapshot=SECOND, resource_tracking=["SHOP", "PAYROLL"])
    warehouse.stage([1.0], month=dt.date(2026, 10, 1), snapshot=SECOND)


def test_the_report_of_a_real_warehouse(warehouse: Warehouse, browser: Browser, tmp_path: Path) -> None:
    load(warehouse)
    path = tmp_path / "bill.html"
    write_report(warehouse.config, path)
    shown = browser.new_page()
    said: list[str] = []
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.goto(f"{path.as_uri()}#month=2026-08")
    assert cells(row_of(shown, "PAYROLL"))[1] == "100.00"
    assert cells(row_of(shown, "without an application"))[1] == "25.00"
    assert cells(row_of(shown, "SHOP"))[1] == "-5.00"
    assert cells(row_of(shown, "TOTAL"))[1] == "170.00"
    expect(shown.get_by_role("alert")).to_contain_text("no month row came")
    expect(shown.locator("#tile-rejected")).to_contain_text("5.00 in 1 row")
    expect(shown.locator("#restatements tbody tr")).to_contain_text("+70.00")
    expect(shown.locator("#conflicts tbody tr")).to_contain_text("PAYROLL")
    expect(shown.locator("#loads tbody tr")).to_have_count(4)
    expect(shown.locator("#findings details")).to_have_count(2)
    save(shown, tmp_path, "real")
    row_of(shown, HOSTILE[:9]).get_by_role("button").click()
    expect(shown.locator("#trail [aria-current]")).to_contain_text("<img src=x onerror=")
    assert shown.title().startswith("Azure bill in bill_")
    assert said == []
    shown.close()
    with pytest.raises(OperatorError, match="can't be written"):
        write_report(warehouse.config, tmp_path)


def test_without_a_month_there_is_no_report(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="There is no month to report on"):
        write_report(warehouse.config, tmp_path / "bill.html")
    with pytest.raises(OperatorError, match="There is no folder"):
        write_report(warehouse.config, tmp_path / "none" / "bill.html")
    assert not (tmp_path / "bill.html").exists()

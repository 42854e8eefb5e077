"""What the log says of a long month and at its end."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import TYPE_CHECKING

from tap.tap_runs import ENROLLMENT, run, settings

from tap_azure_ea_billing.progress import Progress
from tap_azure_ea_billing.sources.source import MonthTotal

if TYPE_CHECKING:
    import pytest

    from sandbox.launch import Api

MONTH = f"Enrollment {ENROLLMENT}, month 2026-11"


def test_a_long_month_has_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    total = MonthTotal(pages=3, rows=1234, cost=Decimal("5.678"), currencies={"CNY"})
    logger = logging.getLogger("test")
    often = Progress(logger, MONTH, every=0)
    often.report(total)
    often.report(total)
    seldom = Progress(logger, MONTH, every=3600)
    seldom.report(total)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[0].startswith(f"{MONTH}: so far 3 pages, 1234 rows, ")
    assert lines[0].endswith(" rows/s, cost 5.68 CNY.")


def test_each_month_has_a_last_line_and_singer_sdks_metrics(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run(settings(api, start_date="2026-10"))
    cost = Decimal(api.served(ENROLLMENT)["2026-10"]["extended_cost"])
    text = caplog.text
    assert text.count(f"Enrollment {ENROLLMENT}, month 2026-10: read 3 pages, 120 rows, ") == 1
    assert f"cost {cost:.2f} CNY." in text
    assert text.count('"metric":"record_count","value":120,') == 2
    assert text.count('"metric":"http_request_count","value":3,') == 2
    assert f"Enrollment {ENROLLMENT}: months to read: 2026-10, 2026-11." in text

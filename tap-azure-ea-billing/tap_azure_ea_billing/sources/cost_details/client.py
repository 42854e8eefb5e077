"""Having a month's report made: asking for it, asking whether it is ready, fetching its files."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from tap_azure_ea_billing.sdk import RequestMetrics
from tap_azure_ea_billing.sources.azure.answers import AnswerError
from tap_azure_ea_billing.sources.azure.resource_manager import Purpose, ResourceManager
from tap_azure_ea_billing.sources.azure.scopes import month_span
from tap_azure_ea_billing.sources.cost_details.download import LinkVoidError, download
from tap_azure_ea_billing.sources.cost_details.reports import Pending, Report, check_blob_link, read_report

if TYPE_CHECKING:
    import logging
    from pathlib import Path

    import requests

    from tap_azure_ea_billing.sources.cost_details.settings import CostDetailsSettings
    from tap_azure_ea_billing.sources.source import Clock, MonthQuery

_ENDPOINT = "/providers/Microsoft.CostManagement/generateCostDetailsReport"
_METRICS = {"actual": "ActualCost", "amortized": "AmortizedCost"}
_WAIT_SECONDS = 30
"""Between two questions whether a report is ready, where Azure does not say how long."""
_SHORTEST_WAIT_SECONDS = 0.1
_NETWORK = "check the network, and that this machine reaches the cloud's storage"


class _Answer(NamedTuple):
    """What Azure said of a report, where to ask again, and in how many seconds."""

    report: Report | Pending
    location: str | None
    wait: float | None


class CostDetailsClient:
    """A client of Microsoft.CostManagement/generateCostDetailsReport.

    Args:
        settings: Scope, agreement, bounds.
        clock: Tells the time, UTC.
        logger: Where it is told that a report is being made.

    Raises:
        CredentialError: It is not said how to sign in.
    """

    def __init__(self, settings: CostDetailsSettings, clock: Clock, logger: logging.Logger) -> None:
        self._settings = settings
        self._logger = logger
        self.arm = ResourceManager(settings, clock, logger)

    def fetch(self, query: MonthQuery, folder: Path) -> tuple[Report, list[Path]]:
        """Return a month's report and its files, which have every byte that it says.

        A link is good for some hours; when one is not good any more, the report is asked for once more.

        Raises:
            RunStoppedError: There is no report, or its files are not what it says.
            DiskError: They can't be written.
        """
        try:
            return self._fetch(query, folder)
        except LinkVoidError as error:
            self._logger.info("%s: a link is not good any more (%s); asking again.", _purpose(query, "report"), error)
        try:
            return self._fetch(query, folder)
        except LinkVoidError as error:
            wrong = AnswerError(f"the storage refuses the links of two reports ({error})", _NETWORK)
            raise self.arm.stop(_purpose(query, "report"), wrong) from None

    def _fetch(self, query: MonthQuery, folder: Path) -> tuple[Report, list[Path]]:
        report = self._report(query)
        files = []
        for number, blob in enumerate(report.blobs, start=1):
            purpose, path = _purpose(query, f"file {number} of the report"), folder / f"{number}.csv"
            try:
                check_blob_link(blob.blob_link, self._settings.chosen_cloud().storage_suffix, self.arm.address)
            except AnswerError as error:
                raise self.arm.stop(purpose, error) from None
            self.arm.repeat(partial(download, blob, path, self._settings), purpose, _NETWORK)
            files.append(path)
        return report, files

    def _report(self, query: MonthQuery) -> Report:
        purpose = _purpose(query, "report")
        overdue = time.monotonic() + self._settings.report_deadline
        context = {"enrollment_number": query.enrollment_number, "billing_month": query.month.isoformat()}
        with RequestMetrics(_ENDPOINT, context) as metrics:
            answer = self.arm.ask(self._url(query), self._read_first, purpose, metrics, _body(query, self._settings))
            location = answer.location
            while isinstance(answer.report, Pending):
                if location is None:
                    raise self.arm.stop(purpose, AnswerError("Azure does not say where the report will be"))
                wait = max(_WAIT_SECONDS if answer.wait is None else answer.wait, _SHORTEST_WAIT_SECONDS)
                if time.monotonic() + wait > overdue:
                    late = f"the report is not ready after `report_deadline` ({self._settings.report_deadline:g} s)"
                    raise self.arm.stop(purpose, AnswerError(late, "run again later, or raise `report_deadline`"))
                self._logger.info("%s: it is being made; asking again in %.0f s.", purpose, wait)
                time.sleep(wait)
                answer = self.arm.ask(location, self._read, purpose, metrics)
                location = answer.location or location
            metrics.count()
            return answer.report

    def _url(self, query: MonthQuery) -> str:
        scope = quote(self._settings.scope_of(query.enrollment_number), safe="/:()")
        return f"{self.arm.url}/{scope}{_ENDPOINT}?api-version={self._settings.cost_details_api_version}"

    def _read_first(self, response: requests.Response) -> _Answer:
        self.arm.compare_clocks(response)
        return self._read(response)

    def _read(self, response: requests.Response) -> _Answer:
        report = read_report(response.status_code, response.content)
        return _Answer(report, response.headers.get("Location") or None, self.arm.wait_asked(response))


def _body(query: MonthQuery, settings: CostDetailsSettings) -> dict[str, Any]:
    """Return what is asked for: of an Enterprise Agreement the billing period, else the days."""
    metric = {"metric": _METRICS[query.dataset]}
    if settings.agreement_of(query.enrollment_number) == "ea":
        return metric | {"billingPeriod": f"{query.month:%Y%m}"}
    first, last = month_span(query.month)
    return metric | {"timePeriod": {"start": first, "end": last}}


def _purpose(query: MonthQuery, part: str) -> Purpose:
    return Purpose(query.enrollment_number, query.dataset, query.month, part)

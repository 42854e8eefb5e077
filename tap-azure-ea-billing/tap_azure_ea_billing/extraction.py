"""One extraction of one month: its pages in order, and what they came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_azure_ea_billing.rows import Tally

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import date, datetime

    from tap_azure_ea_billing.answers import Page


@dataclass
class Extraction:
    """One month that is being read.

    Attributes:
        context: enrollment_number, billing_month, snapshot_at: what singer-sdk calls the stream's context.
        month: the billing month.
        started_at: when its first page was asked for.
        snapshot_at: the extraction's time stamp.
        first: its first page.
        rest: its other pages.
        tally: what was read so far.
        whole: whether all pages were read.
    """

    context: dict[str, str]
    month: date
    started_at: datetime
    snapshot_at: datetime
    first: Page
    rest: Generator[Page, None, None]
    tally: Tally = field(default_factory=Tally)
    whole: bool = False

    def read(self) -> Generator[Page, None, None]:
        """Yield the pages once, counting each before it is used."""
        page: Page | None = self.first
        while page is not None:
            self.tally.add(page.rows)
            yield page
            page = next(self.rest, None)
        self.whole = True

"""A walk through one month's pages: what is known so far, and what an answer is checked against before it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_azure_ea_billing.sources.ea import kinds
from tap_azure_ea_billing.sources.ea.kinds import AnswerError
from tap_azure_ea_billing.sources.ea.links import check_next_link
from tap_azure_ea_billing.wording import counted

if TYPE_CHECKING:
    from tap_azure_ea_billing.sources.ea.answers import Page


@dataclass
class Walk:
    """One month that is being fetched, page by page.

    Attributes:
        enrollment_number: Whose month.
        month: `YYYY-MM`.
        first_url: Address of the first page, without parameters.
        rows_before: Rows of the last complete extraction, 0 if a month without rows is nothing to stop at.
        doubt_empty: Whether an empty month is to be asked for again before it is believed: one wrong answer would leave
            a month that is read once without its rows.
        in_columns: Whether the rows are wanted in columns.
        max_pages: Pages that a month may have.
        max_empty_pages: Pages without rows that may follow one another.
        page_number: The page that is asked for, from 1.
        rows: Rows of the pages before this one.
        empty_pages: Pages without rows since the last one with rows.
        followed: URLs that were asked for.
    """

    enrollment_number: str
    month: str
    first_url: str
    rows_before: int
    max_pages: int
    max_empty_pages: int
    doubt_empty: bool = False
    in_columns: bool = False
    page_number: int = 1
    rows: int = 0
    empty_pages: int = 0
    followed: set[str] = field(default_factory=set)

    @property
    def at_first_page(self) -> bool:
        """Whether the month's first page is asked for."""
        return self.page_number == 1

    def arrive(self, page: Page, url: str) -> None:
        """Check a page against those before it.

        Args:
            page: The page that was read.
            url: The address that it came from.

        Raises:
            AnswerError: Its link may not be followed, or the month would end without the rows that it had, or without
                any for the first time.
        """
        self.followed.add(url)
        if page.next_link is None:
            if self.rows_before and not self.rows and not page.rows:
                raise AnswerError(kinds.HAD_ROWS, counted(self.rows_before, "row"))
            if self.doubt_empty and not self.rows and not page.rows:
                self.doubt_empty = False
                raise AnswerError(kinds.EMPTY_AT_FIRST)
        else:
            check_next_link(page.next_link, self.first_url, self.month, self.followed)
            if self.page_number >= self.max_pages:
                raise AnswerError(kinds.TOO_MANY_PAGES, f"`max_pages` is {self.max_pages}")
            if not page.rows and self.empty_pages >= self.max_empty_pages:
                raise AnswerError(kinds.TOO_MANY_EMPTY, f"`max_empty_pages` is {self.max_empty_pages}")

    def turn(self, page: Page) -> str | None:
        """Go on from a page to the next one; return its URL, None after the last."""
        if page.next_link is None:
            return None
        self.rows += len(page.rows)
        self.empty_pages = 0 if page.rows else self.empty_pages + 1
        self.followed.add(page.next_link)  # letter by letter; the response's URL is what requests made of it
        self.page_number += 1
        return page.next_link

"""The way through one month's pages: what is known so far, and what an answer is held against before it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_azure_ea_billing import kinds
from tap_azure_ea_billing.kinds import AnswerError
from tap_azure_ea_billing.links import check_next_link

if TYPE_CHECKING:
    from tap_azure_ea_billing.answers import Page


@dataclass
class Walk:
    """One month that is being fetched, page by page.

    Attributes:
        enrollment_number: whose month.
        month: `YYYY-MM`.
        first_url: address of the first page, without parameters.
        rows_before: rows of the last complete extraction, 0 if a month without rows is nothing to stop at.
        doubt_empty: whether an empty month is to be asked for again before it is believed: one wrong answer would leave
            a month that is read once without its rows.
        max_pages: pages that a month may have.
        max_empty_pages: pages without rows that may follow one another.
        page_number: the page that is asked for, from 1.
        page: the page that was read last.
        rows: rows of the pages before this one.
        empty_pages: pages without rows since the last one with rows.
        followed: URLs that were asked for.
    """

    enrollment_number: str
    month: str
    first_url: str
    rows_before: int
    max_pages: int
    max_empty_pages: int
    doubt_empty: bool = False
    page_number: int = 1
    page: Page | None = None
    rows: int = 0
    empty_pages: int = 0
    followed: set[str] = field(default_factory=set)

    @property
    def at_first_page(self) -> bool:
        """Whether the month's first page is asked for."""
        return self.page_number == 1

    def arrive(self, page: Page, url: str) -> None:
        """Take a page that was read, and came from `url`.

        Raises:
            AnswerError: if its link may not be followed, or the month would end without the rows that it had, or
                without any for the first time.
        """
        self.followed.add(url)
        if page.next_link is None:
            if self.rows_before and not self.rows and not page.rows:
                raise AnswerError(kinds.HAD_ROWS, f"{self.rows_before} rows")
            if self.doubt_empty and not self.rows and not page.rows:
                self.doubt_empty = False
                raise AnswerError(kinds.EMPTY_AT_FIRST)
        else:
            check_next_link(page.next_link, self.first_url, self.month, self.followed)
            if self.page_number >= self.max_pages:
                raise AnswerError(kinds.TOO_MANY_PAGES, f"`max_pages` is {self.max_pages}")
            if not page.rows and self.empty_pages >= self.max_empty_pages:
                raise AnswerError(kinds.TOO_MANY_EMPTY, f"`max_empty_pages` is {self.max_empty_pages}")
        self.page = page

    def turn(self) -> str | None:
        """Go to the next page; return its URL, None after the last."""
        if self.page is None or self.page.next_link is None:
            return None
        self.rows += len(self.page.rows)
        self.empty_pages = 0 if self.page.rows else self.empty_pages + 1
        self.followed.add(self.page.next_link)  # as it came; the response's URL is what requests made of it
        self.page_number += 1
        return self.page.next_link

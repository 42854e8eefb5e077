"""When a month without rows is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_azure_ea_billing.sources.azure.answers import ASK, AnswerError

if TYPE_CHECKING:
    from tap_azure_ea_billing.sources.source import MonthQuery


def check_empty(query: MonthQuery, *, doubt: bool) -> None:
    """Check that a month may be empty.

    Args:
        query: The month that was asked for.
        doubt: Whether it is to be asked for again before it is believed.

    Raises:
        AnswerError: It had rows when it was last read, or is empty for the first time.
    """
    if query.rows_before:
        raise AnswerError(
            f"the month has no rows, and had {query.rows_before} when it was read before",
            f"{ASK}; if the month really became empty, name it in `accept_empty_months`",
            again=True,
        )
    if doubt:
        raise AnswerError("the month is over and has no rows", ASK, again=True)

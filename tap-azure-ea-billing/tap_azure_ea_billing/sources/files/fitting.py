"""Text frames in the columns of `usage_details` whose values fit them: what doesn't goes to `unreadable`; pure."""

from __future__ import annotations

import polars as pl

from tap_azure_ea_billing.sources.dates import iso_date_of_text
from tap_azure_ea_billing.sources.files.names import NUMBERS
from tap_azure_ea_billing.sources.misfits import UNREADABLE, is_number, unreadable_text

_PLAIN_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_LONGEST_PLAIN_NUMBER = 300


def fitted(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with null where a text is no number or date that fits its column, and with `unreadable`."""
    misfits = {name: _misfits(frame[name]) for name in (*NUMBERS, "date") if name in frame.columns}
    misfits = {name: found for name, found in misfits.items() if found.any()}
    if not misfits:
        return frame.with_columns(pl.lit(None, pl.String).alias(UNREADABLE))
    apart = frame.select(pl.when(found).then(name).alias(name) for name, found in misfits.items())
    texts = [
        unreadable_text({name: text for name, text in row.items() if text is not None}) for row in apart.to_dicts()
    ]
    return frame.with_columns(
        *(pl.when(~found).then(name).alias(name) for name, found in misfits.items()),
        pl.Series(UNREADABLE, texts, pl.String),
    )


def _misfits(texts: pl.Series) -> pl.Series:
    """Return which texts don't fit their column."""
    fits = _is_iso_date if texts.name == "date" else is_number
    unsure = texts.is_not_null()
    if texts.name != "date":
        unsure &= ~texts.str.contains(_PLAIN_NUMBER) | (texts.str.len_bytes() > _LONGEST_PLAIN_NUMBER)
    refused = [text for text in texts.filter(unsure).unique() if not fits(text)]
    return texts.is_in(refused) if refused else pl.Series(texts.name, [False]).new_from_index(0, len(texts))


def _is_iso_date(text: str) -> bool:
    return iso_date_of_text(text) == text

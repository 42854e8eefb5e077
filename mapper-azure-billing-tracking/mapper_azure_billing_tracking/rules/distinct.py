"""Results of a function over distinct texts, remembered in bounded memory; what is computed is the caller's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE = "value"
_KNOWN = "_known"


class Remembered:
    """A function of distinct texts that is not computed again for a text already seen.

    Args:
        compute: From a frame with the column `value` (distinct, not null) to the same rows, in any order, with one
            or more columns beside it.
        capacity_bytes: Maximum total size of all remembered results. Where the next ones would exceed it,
            only those of the current frame are kept, and not even these if they alone are larger.
    """

    def __init__(self, compute: Callable[[pl.DataFrame], pl.DataFrame], capacity_bytes: int = 48 * 2**20) -> None:
        self._compute = compute
        self._capacity_bytes = capacity_bytes
        self._known = compute(pl.DataFrame(schema={VALUE: pl.String}))

    def look_up(self, *texts: pl.Series) -> pl.DataFrame:
        """Look up each distinct text of some columns.

        Args:
            texts: Columns of texts; nulls are skipped.

        Returns:
            One row for each distinct text: `value` and the columns that the function computed from it.
        """
        wanted = pl.concat([text.to_frame(VALUE).lazy() for text in texts]).drop_nulls().unique()
        known = self._known.lazy().with_columns(pl.lit(value=True).alias(_KNOWN))
        found = wanted.join(known, on=VALUE, how="left").collect()
        if not found[_KNOWN].has_nulls():
            return found.drop(_KNOWN)
        computed = self._compute(found.filter(pl.col(_KNOWN).is_null()).select(VALUE)).select(self._known.columns)
        found = found.filter(_KNOWN).select(self._known.columns)
        current = pl.concat([found, computed])
        if self._known.estimated_size() + computed.estimated_size() <= self._capacity_bytes:
            self._known = pl.concat([self._known, computed], rechunk=True)
        elif current.estimated_size() <= self._capacity_bytes:
            self._known = current.rechunk()
        else:
            self.forget()
        return current

    def forget(self) -> None:
        """Free the memory; later texts are computed again."""
        self._known = self._known.clear()


class Memory:
    """The remembered functions of all rules, by name."""

    def __init__(self) -> None:
        self._functions: dict[str, Remembered] = {}

    def of(self, name: str, compute: Callable[[pl.DataFrame], pl.DataFrame]) -> Remembered:
        """Return the function with this name, which is created at its first use.

        Args:
            name: Distinguishes it from the others.
            compute: As for `Remembered`; the first one stays.
        """
        if name not in self._functions:
            self._functions[name] = Remembered(compute)
        return self._functions[name]

    def forget(self) -> None:
        """Free the memory of all of them."""
        for function in self._functions.values():
            function.forget()

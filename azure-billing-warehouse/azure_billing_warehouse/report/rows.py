"""The published rows that the report is made of, as SQL, and their sums as cells; how they are divided is elsewhere.

A query groups rows in ClickHouse and returns a few thousand lines at most, whatever the bill: a division is grouped by
hashes of its values, and only the largest are read with their names.
"""
# ruff: noqa: S608 - identifiers come from the models or are quoted, literals are escaped

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azure_billing_warehouse.report.data import Cell
from azure_billing_warehouse.schema.ddl import literal, qualified
from azure_billing_warehouse.schema.views import DETAIL

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.report.data import Month

COST = "ifNull(toFloat64(extended_cost), nan)"
"""A cost as a float, whatever the column's type; NaN if it is unknown."""
AMOUNTS = f"{COST} AS cost, ifNull(toFloat64(extended_cost_tax), nan) AS tax, ifNull(billing_currency, '') AS currency"
KNOWN_COST = "sumKahanIf(cost, isFinite(cost))"
SUMS = (
    f"{KNOWN_COST} AS known, sumKahanIf(tax, isFinite(tax)) AS taxed, count() AS row_count, "
    "countIf(NOT isFinite(cost)) AS unknown"
)
"""What a cell holds but for its month and currency, over the columns of `AMOUNTS`."""
RESOURCE = "if(trimBoth(instance_id) = '', '', lowerUTF8(instance_id))"
"""What is the same for all spellings of a resource id; '' for rows without one."""
MOST_OF_A_NAME = 200
"""Characters of a name that the page holds: more than Azure allows for one, and no tag can swell the page."""
_MOST_OF_AN_ID = 300


def is_any(values: Iterable[str | int]) -> str:
    """Return a list for `IN`; of nothing, one that holds no value of ours."""
    return f"({', '.join(str(value) if isinstance(value, int) else literal(value) for value in values) or 'NULL'})"


def dates(values: Iterable[dt.date]) -> str:
    """Return days as an array in SQL."""
    return f"CAST([{', '.join(literal(value.isoformat()) for value in values)}] AS Array(Date))"


def shown_id(text: str) -> str:
    """Return the SQL that shortens an id to its beginning and its end, where its name is."""
    half = _MOST_OF_AN_ID // 2
    return (
        f"if(lengthUTF8({text}) > {_MOST_OF_AN_ID}, "
        f"concat(substringUTF8({text}, 1, {half}), '…', substringUTF8({text}, -{half})), {text})"
    )


@dataclass
class Bill:
    """The published rows at actual cost, of some months and enrollments.

    Attributes:
        client: Connection to the database.
        config: Its configuration.
        months: The columns of the report.
        enrollments: Those whose rows count; all if there are none.
        currencies: Each with its place in the report.
    """

    client: Client
    config: ClickHouseConfig
    months: Sequence[Month]
    enrollments: Sequence[str] = ()
    currencies: dict[str, int] = field(default_factory=dict)

    def query(self, sql: str) -> Sequence[Any]:
        """Return the rows of a query; call it within `explained`."""
        rows: Sequence[Any] = self.client.query(sql).result_rows
        return rows

    def of_enrollments(self) -> str:
        """Return the condition for the rows of the enrollments."""
        return f"enrollment_number IN {is_any(self.enrollments)}" if self.enrollments else "1"

    def of_interest(self, *, comparisons: bool = False) -> str:
        """Return the condition for the rows of the months, and of those that they are compared with."""
        chosen = {month.month for month in self.months if comparisons or not month.is_comparison}
        return f"has({dates(sorted(chosen))}, billing_month) AND {self.of_enrollments()}"

    def rows(self, columns: Mapping[str, str], condition: str = "1") -> str:
        """Return the subquery for columns of each row of the months, with `AMOUNTS`; comparisons are not in it."""
        return f"({self._select(columns)} WHERE {self.of_interest()} AND ({condition}))"

    def placed_rows(self, columns: Mapping[str, str], condition: str = "1") -> str:
        """Return the same with `place`, the row's place in the months: a row in a comparison is there once more."""
        own = [(place, month) for place, month in enumerate(self.months) if not month.is_comparison]
        place = f"transform(billing_month, {dates(month.month for _, month in own)}, {[at for at, _ in own]}, -1)"
        compared = [
            f"(billing_month = toDate({literal(f'{month.month}')}) AND ifNull(date <= "
            f"toDate({literal(f'{month.through}')}), 0)), {at}"
            for at, month in enumerate(self.months)
            if month.is_comparison and month.through
        ]
        places = f"[{place}]"
        if compared:
            places = f"arrayFilter(found -> found >= 0, [{place}, multiIf({', '.join(compared)}, -1)])"
        select = self._select({"place": f"arrayJoin({places})", **columns})
        return f"({select} WHERE {self.of_interest(comparisons=True)} AND ({condition}))"

    def _select(self, columns: Mapping[str, str]) -> str:
        named = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
        return f"SELECT {named}{', ' if named else ''}{AMOUNTS} FROM {qualified(self.config, DETAIL)}"

    def cells(self, found: Iterable[Sequence[Any]]) -> list[Cell]:
        """Return cells from place, currency and what `SUMS` gives, in order."""
        return sorted(Cell(place, self.currency(currency), *sums) for place, currency, *sums in found)

    def currency(self, name: str) -> int:
        """Return a currency's place; a new one comes last."""
        return self.currencies.setdefault(name, len(self.currencies))

    def read_currencies(self) -> None:
        """Find the currencies of the months, that of the largest cost first."""
        for (name,) in self.query(
            f"SELECT currency FROM {self.rows({})} GROUP BY currency ORDER BY {KNOWN_COST} DESC, currency"
        ):
            self.currency(name)

    def read_cells(self, condition: str = "1") -> list[Cell]:
        """Return the cells of the rows that meet a condition."""
        return self.cells(
            self.query(
                f"SELECT place, currency, {SUMS} FROM {self.placed_rows({}, condition)} GROUP BY place, currency"
            )
        )

    def read_largest(
        self,
        columns: Mapping[str, str],
        group: str,
        shown: Mapping[str, tuple[str, str]],
        most: int,
        condition: str = "1",
    ) -> list[tuple[int, list[Any], list[Cell]]]:
        """Read the groups of rows with the largest cost over all months, the largest first.

        Args:
            columns: What is computed of each row: name -> SQL.
            group: SQL that is the same number for the rows of a group, of these columns.
            shown: What is wanted of a group: a column -> the aggregate function of its rows, and of these of its cells.
            most: How many groups.
            condition: SQL for the rows that count.

        Returns:
            The number, what is shown, and the cells of each.
        """
        largest = self.query(
            f"SELECT {group} AS number FROM {self.rows(columns, condition)} "
            f"GROUP BY number ORDER BY {KNOWN_COST} DESC, number LIMIT {most}"
        )
        if not largest:
            return []
        numbers = [number for (number,) in largest]
        inner = ", ".join(f"{of_rows}({column}) AS shown_{column}" for column, (of_rows, _) in shown.items())
        outer = ", ".join(f"{of_cells}(shown_{column})" for column, (_, of_cells) in shown.items())
        by_cell = (
            f"SELECT {group} AS number, place, currency, {inner}, {SUMS} FROM {self.placed_rows(columns, condition)} "
            f"WHERE number IN {is_any(numbers)} GROUP BY number, place, currency"
        )
        found = self.query(
            f"SELECT number, {outer}, groupArray((place, currency, known, taxed, row_count, unknown)) "
            f"FROM ({by_cell}) GROUP BY number"
        )
        by_number = {number: (list(facts), self.cells(cells)) for number, *facts, cells in found}
        return [(number, *by_number[number]) for number in numbers if number in by_number]

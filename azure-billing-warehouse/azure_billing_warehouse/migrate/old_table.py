"""The table that is migrated: its columns, and the expression that reads each of ours from it."""

# ruff: noqa: S608 - identifiers are quoted

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clickhouse_connect.driver.binding import quote_identifier

from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.schema.column_types import unwrapped
from azure_billing_warehouse.schema.ddl import literal
from azure_billing_warehouse.tables import OWN_COLUMNS, AzureBillingDetail, text_column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clickhouse_connect.driver.client import Client

    from azure_billing_warehouse.config import ClickHouseConfig
    from azure_billing_warehouse.tables import Column

MissingInstanceId = Literal["quarantine", "keep"]
"""What becomes of usage without an instance id (R7), as in the mapper's setting `missing_instance_id`."""

_NEEDED = ("instance_id", "date", "extended_cost")
_ENROLLMENT = "enrollment_number"
_OF_THE_SNAPSHOT = {_ENROLLMENT, "dataset", "billing_month", "snapshot_at", "row_number"}
_NOT_KEPT = {"id", "create_at"}
"""Columns that the warehouse fills anew."""
_OF_THE_DATE = {
    "year": "toInt64(toYear({date}))",
    "month": "toInt64(toMonth({date}))",
    "day": "toInt64(toDayOfMonth({date}))",
    "month_date": "toStartOfMonth({date})",
    "newmonth": "formatDateTime({date}, '%b %Y')",
}
"""Columns that come from the date, whatever the old table says (R2)."""
_LARGE_NUMBER = r"':\\s*-?([0-9]{19}|[0-9.]+[eE][+]?[0-9]{3})'"
_READERS = (
    ("String", r"FixedString\(", "toStringCutToZero({})"),
    ("String", r"UUID\Z|Enum(8|16)\(|U?Int\d+\Z|Bool\Z", "toString({})"),
    # The shortest decimal of a Float32 is what was written, as far as the type has kept it.
    ("Float64", r"Float32\Z", "toFloat64(toString({}))"),
    ("Float64", r"Decimal\(|U?Int\d+\Z", "toFloat64({})"),
    ("Int64", r"U?Int(8|16|32)\Z", "toInt64({})"),
    # Another day can't be held by the column: it becomes none, and the row is rejected as undated.
    (
        "Date",
        r"Date32\Z|DateTime(64)?\b",
        "if(toDate32({0}) BETWEEN toDate32('1970-01-01') AND toDate32('2149-06-06'), toDate({0}), NULL)",
    ),
)
"""Our type, the types of the old table that can be read as it, the expression that does."""


@dataclass(frozen=True)
class OldTable:
    """A table with one row for each usage row, and no snapshots.

    Attributes:
        database: Its database.
        name: Its name.
        types: Type of each of its columns.
        enrollment: The enrollment that its rows are of; None: it says so itself.
        currency: Currency of its costs, where it doesn't say so.
        missing_instance_id: What becomes of usage without an instance id.
    """

    database: str
    name: str
    types: Mapping[str, str]
    enrollment: str | None
    currency: str | None = None
    missing_instance_id: MissingInstanceId = "quarantine"

    @property
    def shown(self) -> str:
        """Its name for people."""
        return f"{self.database}.{self.name}"

    @property
    def quoted(self) -> str:
        """Its name in SQL."""
        return f"{quote_identifier(self.database)}.{quote_identifier(self.name)}"

    @property
    def month(self) -> str:
        """The month of a row in SQL: that of its date, without one the old table's month_date; NULL if it has none."""
        date = self.column("date")
        by_date = f"toStartOfMonth({date})"
        if "month_date" not in self.types:
            return by_date
        said = _read(self.types["month_date"], "Date").format(_old("month_date"))
        return f"ifNull({by_date}, nullIf(toStartOfMonth({said}), toDate(0)))"

    @property
    def rows_without_month(self) -> str:
        """The query that shows the rows that are of no month."""
        return f"SELECT * FROM {self.quoted} AS old WHERE {self.condition} AND isNull({self.month})"

    @property
    def enrollment_expression(self) -> str:
        """The enrollment of a row in SQL."""
        return f"toString({_old(_ENROLLMENT)})" if _ENROLLMENT in self.types else literal(self.enrollment or "")

    @property
    def condition(self) -> str:
        """What chooses the rows to migrate, in SQL: those of the enrollment that was asked for."""
        if _ENROLLMENT in self.types and self.enrollment is not None:
            return f"{self.enrollment_expression} = {literal(self.enrollment)}"
        return "true"

    @property
    def is_float32(self) -> bool:
        """Whether its costs have lost all but seven digits."""
        return unwrapped(self.types["extended_cost"])[0] == "Float32"

    @property
    def exact_cost(self) -> str:
        """A row's cost in SQL, as the decimal that the old table shows; NULL if it is none."""
        return f"toDecimal256OrNull(toString({_old('extended_cost')}), 38)"

    def column(self, name: str) -> str:
        """Return the expression that reads a column of a usage row, in SQL."""
        column = next(column for column in AzureBillingDetail.columns() if column.name == name)
        return self._expression(column)

    def columns(self) -> dict[str, str]:
        """Return the expression of each column that a usage row is written with, but for the snapshot's.

        Columns that only other sources have are left to the table's defaults.
        """
        left = _OF_THE_SNAPSHOT | _NOT_KEPT | (OWN_COLUMNS - {"charge_type", *self._special(), *self.types})
        return {
            column.name: self._expression(column) for column in AzureBillingDetail.columns() if column.name not in left
        }

    def _expression(self, column: Column) -> str:
        special = self._special()
        if column.name in special:
            return special[column.name]
        if column.name not in self.types:
            return f"CAST(NULL, '{column.clickhouse.type}')"
        return _read(self.types[column.name], column.clickhouse.type).format(_old(column.name))

    def _special(self) -> dict[str, str]:
        """Return the expressions of the columns that aren't read as they are."""
        # A Date that was never filled is the first of January 1970.
        date = f"nullIf({_read(self.types['date'], 'Date').format(_old('date'))}, toDate(0))"
        instance_id = f"ifNull({_read(self.types['instance_id'], 'String').format(_old('instance_id'))}, '')"
        found = {name: expression.format(date=date) for name, expression in _OF_THE_DATE.items()} | {
            "date": date,
            "instance_id": f"if(trimBoth({instance_id}) = '', '', {instance_id})",
            "match_level": "'unknown'",
        }
        for name in ("tags", "additional_info"):
            found[name] = f"ifNull({self.json_of(name)}, '{{}}')"
            if text_column(name) not in self.types:
                found[text_column(name)] = self.object_of(name)
        if self.currency and "billing_currency" not in self.types:
            found["billing_currency"] = literal(self.currency)
        return found

    def object_of(self, name: str) -> str:
        """Return the expression of an object as text; NULL if there is none (R8)."""
        if name not in self.types:
            return "CAST(NULL, 'Nullable(String)')"
        if unwrapped(self.types[name])[0].startswith("JSON"):
            return f"nullIf(toString({_old(name)}), '{{}}')"
        text = self.text_of(name)
        braced = f"concat('{{', {text}, '}}')"
        return (
            f"multiIf({_blank(text)}, NULL, startsWith({text}, '{{'), "
            f"if(isValidJSON({text}), {text}, NULL), isValidJSON({braced}), {braced}, NULL)"
        )

    def json_of(self, name: str) -> str:
        """Return the expression of an object that a JSON column takes, as text.

        ClickHouse refuses a whole insert for a repeated key or a number that no 64-bit type holds.
        """
        found = self.object_of(name)
        if not self._is_text(name):
            return found
        keys = f"JSONExtractKeys(ifNull({found}, '{{}}'))"
        refused = f"length({keys}) != length(arrayDistinct({keys})) OR match(ifNull({found}, ''), {_LARGE_NUMBER})"
        return f"if({refused}, NULL, {found})"

    def _is_text(self, name: str) -> bool:
        return name in self.types and not unwrapped(self.types[name])[0].startswith("JSON")

    def text_of(self, name: str) -> str:
        """Return the expression of a text that should be an object, without white space around it; else NULL."""
        return f"trimBoth({_read(self.types[name], 'String').format(_old(name))})" if self._is_text(name) else "NULL"

    def is_no_object(self, name: str) -> str:
        """Return the condition for a text that a JSON column should hold and can't (R8)."""
        if not self._is_text(name):
            return "false"
        return f"NOT {_blank(self.text_of(name))} AND isNull({self.json_of(name)})"

    def remarks(self) -> list[str]:
        """Return what is different in the migrated rows from what the table or a load has, as sentences."""
        known = {column.name for column in AzureBillingDetail.columns()}
        lacking = [
            column.name
            for column in AzureBillingDetail.columns()
            if column.name not in {*self.types, *_OF_THE_DATE, *_NOT_KEPT}
            and (column.name not in OWN_COLUMNS or (column.name == "billing_currency" and not self.currency))
        ]
        left = sorted(set(self.types) - known)
        found = []
        if lacking:
            found.append(f"{self.shown} doesn't have {', '.join(lacking)}: empty in migrated rows")
        if left:
            found.append(f"the warehouse has no {', '.join(left)}: what they hold stays in {self.shown} only")
        return found


def read_old_table(
    client: Client,
    config: ClickHouseConfig,
    name: str,
    *,
    enrollment: str | None,
    currency: str | None,
    missing_instance_id: MissingInstanceId,
) -> OldTable:
    """Read what columns a table has; call it within `explained`.

    Args:
        client: Connection to the database.
        config: The configuration of the connection.
        name: The table, or `database.table`.
        enrollment: The enrollment whose rows are migrated, or that all rows are of.
        currency: Currency of the costs, where the table has no column for it.
        missing_instance_id: What becomes of usage without an instance id.

    Raises:
        WarehouseError: There is no such table, or it can't be migrated.
    """
    database, _, table = name.replace("`", "").rpartition(".")
    database = database or config.database
    rows = client.query(
        "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String} "
        "ORDER BY position",
        {"database": database, "table": table},
    ).result_rows
    types: dict[str, str] = {str(column): str(kind) for column, kind in rows}
    old = OldTable(database, table, types, enrollment, currency, missing_instance_id)
    if not types:
        raise WarehouseError(
            f"There is no table {old.shown} on {config.host}:{config.port}: name the old table, or DATABASE.TABLE."
        )
    if {"snapshot_at", "row_number"} <= set(types):
        raise WarehouseError(f"The table {old.shown} has snapshots already: `migrate` is for a table without them.")
    if missing := [column for column in _NEEDED if column not in types]:
        raise WarehouseError(
            f"The table {old.shown} has no column {', '.join(missing)}, without which a row is of no month or cost: "
            f"if it has another name there, {_view_cure(old)}."
        )
    if _ENROLLMENT not in types and not enrollment:
        raise WarehouseError(f"The table {old.shown} doesn't say of which enrollment its rows are: add --enrollment.")
    if unfit := [fault for column in AzureBillingDetail.columns() if (fault := _fault(column, old))]:
        raise WarehouseError(
            f"The table {old.shown} can't be migrated as it is: {', '.join(unfit)}. To convert them, {_view_cure(old)}."
        )
    return old


def _view_cure(old: OldTable) -> str:
    return (
        f"make a view (CREATE VIEW {old.name}_converted AS SELECT ... FROM {old.shown}) with the names and types of "
        "stg_azure_billing_detail and migrate that"
    )


def _fault(column: Column, old: OldTable) -> str:
    if column.name not in old.types or column.name in {*_NOT_KEPT, *_OF_THE_SNAPSHOT, *_OF_THE_DATE} - {"month_date"}:
        return ""
    kind = old.types[column.name]
    if column.clickhouse.type == "JSON":
        is_read = unwrapped(kind)[0] == "String" or unwrapped(kind)[0].startswith("JSON")
        wanted = "JSON or String"
    else:
        wanted = unwrapped(column.clickhouse.type)[0]
        is_read = bool(_read(kind, wanted))
    return "" if is_read else f"{column.name} is {kind} where {wanted} is needed"


def _blank(text: str) -> str:
    return f"ifNull({text}, '') IN ('', '{{}}', '[]', 'null')"


def _old(name: str) -> str:
    return f"old.{quote_identifier(name)}"


def _read(kind: str, needed: str) -> str:
    """Return what reads a value of a type as one of ours, with `{}` for the value; '' if that could change it."""
    base, target = unwrapped(kind)[0], unwrapped(needed)[0]
    if base == target:
        return "{}"
    return next((template for of, types, template in _READERS if of == target and re.match(types, base)), "")

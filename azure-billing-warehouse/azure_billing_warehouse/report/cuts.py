"""The cuts of the bill: what each divides by, its largest values, and all others together."""
# ruff: noqa: S608 - identifiers come from the models or are quoted, literals are escaped

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from azure_billing_warehouse.report.data import Cut, Resource, Value
from azure_billing_warehouse.report.rows import (
    KNOWN_COST,
    MOST_OF_A_NAME,
    RESOURCE,
    SUMS,
    shown_id,
)
from azure_billing_warehouse.schema.ddl import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure_billing_warehouse.report.rows import Bill

MOST_VALUES = 200
"""Values of a cut that are listed: nobody reads more, and each has a cell for every month."""
MOST_RESOURCES = 5_000
"""Resources that are listed: at about 500 bytes each and 12 months they fill the page."""
_NONE = ""
_CODES = 1_000  # place 0 of the next cut in a query over all of them: more than `MOST_VALUES`


class Division(NamedTuple):
    """What a cut divides by.

    Attributes:
        key: As in `Cut`.
        label: As in `Cut`.
        value: SQL for the value of a row, '' for none.
        same: SQL that is the same for all spellings of a value.
        title: SQL for the name that is shown instead of the value, '' for none.
    """

    key: str
    label: str
    value: str
    same: str
    title: str = "''"


class Listed(NamedTuple):
    """A value that is among the largest of its cut.

    Attributes:
        number: What stands for it in queries.
        name: As in `Value`.
        detail: As in `Value`.
    """

    number: int
    name: str | None
    detail: str


@dataclass(frozen=True)
class Listing:
    """The largest values of a cut.

    Attributes:
        division: What it divides by.
        values: Those that are listed, the largest first.
        count: How many values there are.
    """

    division: Division
    values: Sequence[Listed]
    count: int

    def place(self) -> str:
        """Return the SQL for the place of a row's value in the list, counted from 1; 0 for the others."""
        numbers = ", ".join(str(value.number) for value in self.values)
        places = ", ".join(str(place) for place in range(1, len(self.values) + 1))
        return (
            f"transform({_number(self.division.same)}, CAST([{numbers}] AS Array(UInt64)), "
            f"CAST([{places}] AS Array(UInt32)), toUInt32(0))"
        )

    def shortened(self, most: int) -> Listing:
        """Return the listing with fewer values; that of rows without a value always stays."""
        none = [value for value in self.values if value.name is None]
        kept = {value.number for value in [*none, *(found for found in self.values if found.name is not None)][:most]}
        return replace(self, values=[value for value in self.values if value.number in kept])


def divisions(tags: Sequence[str]) -> list[Division]:
    """Return what the bill is divided by; a tag's key is compared exactly, as in R9."""
    subscription = f"if({_text('subscription_guid')} = '', {_text('subscription_name')}, {_text('subscription_guid')})"
    return [
        _exact("application", "Application", _text("application")),
        _exact("service", "Service", _text("meter_category")),
        Division(
            "subscription", "Subscription", subscription, f"lowerUTF8({subscription})", _text("subscription_name")
        ),
        _of_azure("resource_group", "Resource group", _text("resource_group")),
        _exact("department", "Department", _text("department_name")),
        _exact("cost_center", "Cost center", _text("cost_center")),
        _of_azure("region", "Region", _text("resource_location")),
        _exact("enrollment", "Enrollment", _text("enrollment_number")),
        *(_exact(f"tag:{tag}", f"Tag {tag}", _tag(tag)) for tag in dict.fromkeys(tags)),
    ]


def read_listings(bill: Bill, tags: Sequence[str]) -> list[Listing]:
    """Read the largest values of each cut, one pass for each."""
    return [_read_listing(bill, division) for division in divisions(tags)]


def _read_listing(bill: Bill, division: Division) -> Listing:
    columns = {"value": division.value, "same": division.same, "title": division.title}
    by_value = (
        f"SELECT {_number('same')} AS number, same = '' AS is_none, min(value) AS spelling, "
        "argMaxIf(title, (billed, title), title != '') AS newest_title, "
        f"{KNOWN_COST} AS known "
        f"FROM {bill.rows({**columns, 'billed': 'billing_month'})} GROUP BY number, is_none"
    )
    found = bill.query(
        f"SELECT number, is_none, {_short('spelling')}, {_short('newest_title')}, known, count() OVER () "
        f"FROM ({by_value}) ORDER BY is_none DESC, known DESC, number LIMIT {MOST_VALUES}"
    )
    listed = [
        (-known, Listed(number, None if is_none else title or spelling, spelling if title else ""))
        for number, is_none, spelling, title, known, _ in found
    ]
    return Listing(division, [value for _, value in sorted(listed)], found[0][-1] if found else 0)


def read_cuts(bill: Bill, listings: Sequence[Listing]) -> tuple[list[Cut], int]:
    """Read the cells and resources of the listed values, and of what is not listed.

    Two passes, however many cuts there are: most of the time would go into resource ids, which are read once.

    Returns:
        The cuts, and the number of resources of all; rows without one are none.
    """
    places = {f"place_{number}": f"{number * _CODES} + {listing.place()}" for number, listing in enumerate(listings, 1)}
    # In a grouping set all columns of other sets are 0, or null where a profile says so: the sum is the set's own code.
    code = " + ".join(f"ifNull({name}, 0)" for name in places)
    by_cell = ", ".join(f"({name}, place, currency)" for name in places)
    cells: dict[int, list[Sequence[Any]]] = {}
    for found, *cell in bill.query(
        f"SELECT {code}, place, currency, {SUMS} FROM {bill.placed_rows(places)} GROUP BY GROUPING SETS ({by_cell})"
    ):
        cells.setdefault(found, []).append(cell)
    names = ", ".join(places)
    by_resource = (
        f"SELECT sipHash64(resource) AS number, {names} FROM {bill.rows({**places, 'resource': RESOURCE})} "
        f"WHERE resource != '' GROUP BY number, {names}"
    )
    by_value = ", ".join(f"({name})" for name in places)
    resources: dict[int, int] = dict(
        bill.query(f"SELECT {code}, uniqExact(number) FROM ({by_resource}) GROUP BY GROUPING SETS ({by_value}, ())")
    )
    cuts = []
    for number, listing in enumerate(listings, 1):
        others, *values = (
            Value(
                value and value.name, value.detail if value else "", resources.get(at, 0), bill.cells(cells.get(at, []))
            )
            for at, value in enumerate([None, *listing.values], number * _CODES)
        )
        cuts.append(
            Cut(
                key=listing.division.key,
                label=listing.division.label,
                values=values,
                others=others if others.cells else None,
                other_count=listing.count - len(values),
            )
        )
    return cuts, resources.get(0, 0)


def read_resources(bill: Bill, listings: Sequence[Listing]) -> list[Resource]:
    """Read the largest resources within the listed values of all cuts, two passes."""
    places = ", ".join(listing.place() for listing in listings)
    return [
        Resource(resource, [place - 1 for place in values], cells)
        for _, (resource, values), cells in bill.read_largest(
            {
                "resource": RESOURCE,
                "places": f"[{places}]",
                "spelling": f"if({RESOURCE} = '', '', {shown_id('instance_id')})",
            },
            "sipHash64(resource, places)",
            {"spelling": ("min", "min"), "places": ("any", "any")},
            MOST_RESOURCES,
        )
    ]


def _number(same: str) -> str:
    """Return the SQL for the number that stands for a value: 64 bits, so that a query can name 200 of them shortly."""
    return f"sipHash64({same})"


def _text(column: str) -> str:
    """Return the SQL for a column's text; '' where it is blank."""
    return f"CAST(if(trimBoth(ifNull({column}, '')) = '', '', ifNull({column}, '')) AS String)"


def _short(column: str) -> str:
    return f"substringUTF8({column}, 1, {MOST_OF_A_NAME})"


def _exact(key: str, label: str, value: str) -> Division:
    return Division(key, label, value, value)


def _of_azure(key: str, label: str, value: str) -> Division:
    """Return a division by names that Azure compares without case."""
    return Division(key, label, value, f"lowerUTF8({value})")


def _tag(name: str) -> str:
    """Return the SQL for a tag's value as R9 reads it: text unchanged, all else as JSON, of repeated keys the last.

    ClickHouse's function for one key takes the first; the one for all keys takes longer, and is left for texts that
    have the key more than once, at any depth.
    """
    text, key = "ifNull(tags_text, '')", literal(name)
    quoted = literal(f"{json.dumps(name, ensure_ascii=False)}:")
    last = f"arrayLast(pair -> pair.1 = {key}, JSONExtractKeysAndValuesRaw({text})).2"
    value = (
        f"if(countSubstrings({text}, {quoted}) > 1, JSONExtractString(concat('{{\"last\":', {last}, '}}'), 'last'), "
        f"JSONExtractString({text}, {key}))"
    )
    return f"if(trimBoth({value}) = '', '', {value})"

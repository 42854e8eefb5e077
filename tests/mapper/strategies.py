"""Generated `usage_details` records, RECORD lines and patterns with every trap of the source; judging is the oracle's.

A record is a realistic one in which a few fields are replaced or left out, so that most rows are staged. The vocabulary
is small on purpose: patterns must meet values, and rows of one resource must meet each other. `exotic_case=False`
leaves out characters whose upper or lower case is not one character that leads back.
"""

from __future__ import annotations

import json
from functools import cache

from hypothesis import strategies as st
from mapper.oracle_json import Json, JsonObject, Number
from mapper.traps import (
    BILLING_MONTH,
    BLANKS,
    DATE_TRAPS,
    ENROLLMENT_NUMBER,
    EXOTIC_CHARACTERS,
    EXOTIC_WORDS,
    GUIDS,
    INTEGERS,
    NOT_BLANKS,
    NOT_NUMBER_TEXTS,
    NUMBER_TEXTS,
    NUMBERS_AS_WRITTEN,
    NUMBERS_TOO_LARGE,
    OTHER_TYPES,
    PLAIN_CHARACTERS,
    PLAIN_FIELDS,
    READABLE_OBJECTS,
    SERVICES,
    SNAPSHOT_AT,
    UNREADABLE_OBJECTS,
    WORDS,
)


@cache
def texts(*, exotic_case: bool = True) -> st.SearchStrategy[str]:
    """Any short text: quotes, backslashes, control characters, several scripts."""
    return st.text(PLAIN_CHARACTERS + (EXOTIC_CHARACTERS if exotic_case else ""), max_size=12)


@cache
def names(*, exotic_case: bool = True) -> st.SearchStrategy[str]:
    """Names of resources and groups, of words that patterns are made of too."""
    words = st.sampled_from(WORDS + WORDS + (EXOTIC_WORDS if exotic_case else ()))
    return st.lists(words, min_size=1, max_size=3).map("-".join)


@cache
@st.composite
def instance_ids(draw: st.DrawFn, *, exotic_case: bool = True) -> str:
    """Resource ids in all their forms; none is blank."""
    name = draw(names(exotic_case=exotic_case))
    machine = f"/subscriptions/{GUIDS[0]}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/{name}"
    forms = (machine, machine, machine.replace("Groups", "groups"), machine + "/", name, name.upper())
    return draw(st.sampled_from((*forms, name + "//", "/", "Unassigned", f" {name} ", "/aks-1/" + name)))


@cache
def numbers() -> st.SearchStrategy[Number]:
    """Finite JSON numbers in many spellings, most with 15 to 17 digits."""
    floats = st.floats(-1e6, 1e6)
    return st.one_of(
        floats.map(repr),
        floats.map("{:.17g}".format),
        st.floats(-1e300, 1e300).map(repr),
        st.sampled_from(NUMBERS_AS_WRITTEN),
    ).map(Number)


@cache
def json_texts(*, exotic_case: bool = True) -> st.SearchStrategy[str]:
    """Text of a JSON object, spelled with escapes, white space, repeated keys and numbers of any form."""
    space = st.sampled_from(("", "", " ", "\n\t"))
    strings = st.builds(
        lambda text, escaped: json.dumps(text, ensure_ascii=escaped), texts(exotic_case=exotic_case), st.booleans()
    )
    keys = st.one_of(
        st.sampled_from(('"app"', '"ppm_io_cc"', '"VMName"', '"VmName"', r'"\u0061pp"', '" app"')), strings
    )
    leaves = st.one_of(
        st.sampled_from(("null", "true", "false", '""', '"x"')), strings, numbers().map(lambda number: number.text)
    )

    def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pairs = st.builds("{0}{1}{0}:{2}{3}{2}".format, space, keys, space, values)
        return st.lists(pairs, max_size=4).map(lambda found: "{" + ",".join(found) + "}")

    def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.lists(values, max_size=3).map(lambda found: "[ " + ",".join(found) + "]")

    return objects(st.recursive(leaves, lambda inner: st.one_of(objects(inner), arrays(inner)), max_leaves=4))


@cache
@st.composite
def broken_texts(draw: st.DrawFn, *, exotic_case: bool = True) -> str:
    """An object's text without its braces, cut off, or with one character too many: readable or not."""
    text = draw(json_texts(exotic_case=exotic_case))
    place = draw(st.integers(0, len(text)))
    kind = draw(st.sampled_from(("braceless", "braceless", "cut", "inserted")))
    if kind == "braceless":
        return text[1:-1]
    return text[:place] + (draw(st.sampled_from('{}[]",:\\ 0\u00a0')) + text[place:] if kind == "inserted" else "")


@cache
def object_traps(*, exotic_case: bool = True) -> st.SearchStrategy[Json]:
    """What can stand in `tags` and `additional_info`."""
    return st.one_of(
        st.sampled_from((*READABLE_OBJECTS, *UNREADABLE_OBJECTS, *BLANKS)),
        json_texts(exotic_case=exotic_case),
        broken_texts(exotic_case=exotic_case),
        texts(exotic_case=exotic_case),
        st.sampled_from(OTHER_TYPES),
        st.just(JsonObject((("app", "x"), ("nested", JsonObject((("n", Number("1.50")), ("n", None))))))),
    )


@cache
def number_traps() -> st.SearchStrategy[Json]:
    """What can stand in a number's place."""
    written = st.sampled_from(NUMBERS_AS_WRITTEN + NUMBERS_TOO_LARGE)
    return st.one_of(
        written.map(Number),
        written,
        st.sampled_from(NUMBER_TEXTS + NOT_NUMBER_TEXTS + BLANKS + NOT_BLANKS),
        st.sampled_from(OTHER_TYPES),
    )


@cache
def string_traps(*, exotic_case: bool = True) -> st.SearchStrategy[Json]:
    """What can stand in a string's place."""
    return st.one_of(
        st.sampled_from((*BLANKS, *NOT_BLANKS, "null", 'say "hi" \\ \\n \\u0041', "long " * 1000, *OTHER_TYPES)),
        texts(exotic_case=exotic_case),
        names(exotic_case=exotic_case),
    )


@cache
def _trap(name: str, *, exotic_case: bool) -> st.SearchStrategy[Json]:
    if name == "date":
        return st.sampled_from(DATE_TRAPS)
    if name == "subscription_id":
        return st.one_of(st.sampled_from(INTEGERS), number_traps())
    if name in {"consumed_quantity", "resource_rate", "extended_cost"}:
        return number_traps()
    if name in {"tags", "additional_info"}:
        return object_traps(exotic_case=exotic_case)
    return string_traps(exotic_case=exotic_case)


@cache
def dates() -> st.SearchStrategy[str]:
    """Dates in the forms seen, most of them in the billing month."""
    days = st.integers(1, 31)
    return st.one_of(
        days.map("2026-10-{:02}".format),
        days.map("2026-10-{:02}T00:00:00".format),
        days.map("10/{:02}/2026".format),
        st.sampled_from(("2026-10-05", "10/5/2026", "2026-09-30", "11/1/2026")),
    )


@cache
@st.composite
def records(draw: st.DrawFn, *, exotic_case: bool = True) -> dict[str, Json]:
    """A record as `read_record` gives it: the 31 fields and those the tap adds. A few are traps or missing."""
    name = names(exotic_case=exotic_case)
    category, product, meter_name = draw(st.sampled_from(SERVICES))
    tags = {"app": draw(name), "env": "prod", "ppm_billing_item": "PPM-1"}
    record: dict[str, Json] = PLAIN_FIELDS | {
        "date": draw(dates()),
        "meter_category": category,
        "product": product,
        "meter_name": meter_name,
        "instance_id": draw(instance_ids(exotic_case=exotic_case)),
        "resource_group": draw(st.one_of(st.none(), name)),
        "subscription_guid": draw(st.sampled_from(GUIDS)),
        "consumed_quantity": draw(numbers()),
        "resource_rate": Number("0.79"),
        "charge_type": draw(st.sampled_from((None, None, "", "Usage", " USAGE", "Purchase", "RoundingAdjustment"))),
        "extended_cost": draw(numbers()),
        "tags": json.dumps(tags, ensure_ascii=False),
        "additional_info": draw(st.sampled_from(("", '{"VMName":"aks-node-1","VCPUs":2}', '{"VmName": "vm-2"}', None))),
    }
    for field in draw(st.lists(st.sampled_from(sorted(record)), max_size=3)):
        record[field] = draw(_trap(field, exotic_case=exotic_case))
    if draw(st.integers(0, 3)) == 0:
        record["tags"] = draw(object_traps(exotic_case=exotic_case))
        record["additional_info"] = draw(object_traps(exotic_case=exotic_case))
    for field in draw(st.one_of(st.just([]), st.lists(st.sampled_from(sorted(record)), max_size=2))):
        record.pop(field, None)
    if draw(st.booleans()):
        record = dict(reversed(record.items()))
    return record | {
        "enrollment_number": ENROLLMENT_NUMBER,
        "billing_month": BILLING_MONTH,
        "snapshot_at": SNAPSHOT_AT,
        "row_number": Number("1"),
    }


def _spelled(value: Json, *, ascii_only: bool, space: str) -> str:
    match value:
        case Number():
            return value.text
        case list():
            return "[" + f",{space}".join(_spelled(item, ascii_only=ascii_only, space=space) for item in value) + "]"
        case JsonObject():
            pairs = (
                f"{_spelled(key, ascii_only=ascii_only, space=space)}:{space}"
                f"{_spelled(item, ascii_only=ascii_only, space=space)}"
                for key, item in value.pairs
            )
            return "{" + f",{space}".join(pairs) + "}"
    return json.dumps(value, ensure_ascii=ascii_only)


@st.composite
def record_lines(draw: st.DrawFn, *, exotic_case: bool = True, record: dict[str, Json] | None = None) -> bytes:
    """A RECORD line, without its line feed, as different writers spell it; of the given record or of any."""
    found = draw(records(exotic_case=exotic_case)) if record is None else record
    message: list[tuple[str, Json]] = [
        ("type", "RECORD"),
        ("stream", "usage_details"),
        ("record", JsonObject(tuple(found.items()))),
    ]
    if draw(st.booleans()):
        message.append(("time_extracted", SNAPSHOT_AT))
    ascii_only, space = draw(st.sampled_from(((False, ""), (True, " "), (True, ""))))
    return _spelled(JsonObject(tuple(message)), ascii_only=ascii_only, space=space).encode()


@cache
@st.composite
def batches(draw: st.DrawFn, *, exotic_case: bool = True, min_size: int = 1, max_size: int = 30) -> list[bytes]:
    """The RECORD lines of one month's rows, numbered from 1. Some rows come several times, each of them money."""
    repeated = st.tuples(records(exotic_case=exotic_case), st.sampled_from((1, 1, 1, 2, 3)))
    drawn = draw(st.lists(repeated, min_size=min_size, max_size=max_size))
    found = [record for record, times in drawn for _ in range(times)]
    numbered = [record | {"row_number": Number(str(number))} for number, record in enumerate(found, 1)]
    return [draw(record_lines(record=record)) for record in numbered]


@cache
def patterns(*, exotic_case: bool = True) -> st.SearchStrategy[list[tuple[int, str]]]:
    """Patterns in the order read: ids repeat and are out of order, texts repeat in another case, some are blank."""
    word = st.sampled_from(WORDS + GUIDS + (EXOTIC_WORDS if exotic_case else ()))
    text = st.one_of(
        word,
        word.map(lambda found: f" {found.swapcase() if found.isascii() else found}\t"),
        names(exotic_case=exotic_case),
        st.sampled_from(("-", "/", "a", ".", "*", "[a-z]", "\\", "r", "rm", "00", "%", "^crm$", *BLANKS)),
    )
    return st.lists(st.tuples(st.integers(1, 6), text), max_size=12)

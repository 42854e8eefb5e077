"""Which ClickHouse types can hold the values of which others without loss; no column is named here."""

from __future__ import annotations

import re

_PARAMETERS = re.compile(r"(\w+)\((.*)\)\Z", re.DOTALL)
_INTEGER = re.compile(r"(U?)Int(\d+)\Z")
_ALSO_HELD_BY = {
    "Bool": {"UInt8"},
    "Date": {"Date32"},
    "DateTime": {"DateTime", "DateTime64"},  # with a time zone
    "JSON": {"JSON"},  # with paths or limits of its own
}

# A Float64 of the bill has up to 17 significant digits and may be as small as 1E-9: a decimal keeps them with a scale
# of 30, and 18 digits before the point are more than any bill.
_COST_SCALE = 30
_COST_INTEGER_DIGITS = 18


def holds(present: str, needed: str) -> bool:
    """Return whether a column of type `present` holds every value of type `needed` unchanged.

    Args:
        present: The type of a column in ClickHouse, as in `system.columns`.
        needed: The type that the table would have been made with.
    """
    present_base, present_null = unwrapped(present)
    needed_base, needed_null = unwrapped(needed)
    if present_base == needed_base or (needed_null and not present_null):
        return present_null or not needed_null
    name, parameters = _split(present_base)
    needed_name, needed_parameters = _split(needed_base)
    if (integer := _INTEGER.match(needed_base)) is not None:
        return _holds_integer(present_base, *integer.groups())
    if name == "Decimal":
        return _holds_decimal(parameters, needed_name, needed_parameters)
    if name == needed_name == "DateTime64":
        # The server would read a text without zone in the column's zone: only the precision may differ.
        return int(parameters[0]) >= int(needed_parameters[0]) and parameters[1:] == needed_parameters[1:]
    return name in _ALSO_HELD_BY.get(needed_name, ())


def unwrapped(kind: str) -> tuple[str, bool]:
    """Return the type without LowCardinality and Nullable, and whether it was Nullable."""
    nullable = False
    while (found := _PARAMETERS.match(kind)) and found[1] in {"LowCardinality", "Nullable"}:
        nullable |= found[1] == "Nullable"
        kind = found[2]
    return kind, nullable


def _split(kind: str) -> tuple[str, list[str]]:
    found = _PARAMETERS.match(kind)
    return (found[1], [part.strip() for part in found[2].split(",")]) if found else (kind, [])


def _holds_integer(present: str, needed_unsigned: str, needed_bits: str) -> bool:
    found = _INTEGER.match(present)
    if found is None:
        return False
    bits, unsigned = int(found[2]), bool(found[1])
    if unsigned == bool(needed_unsigned):
        return bits >= int(needed_bits)
    return not unsigned and bits > int(needed_bits)


def _holds_decimal(parameters: list[str], needed_name: str, needed_parameters: list[str]) -> bool:
    precision, scale = (int(part) for part in parameters)
    if needed_name == "Decimal":
        needed_precision, needed_scale = (int(part) for part in needed_parameters)
        return scale >= needed_scale and precision - scale >= needed_precision - needed_scale
    return needed_name == "Float64" and scale >= _COST_SCALE and precision - scale >= _COST_INTEGER_DIGITS

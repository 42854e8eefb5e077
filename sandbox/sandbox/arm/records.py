"""usageDetails records as JSON text, of both kinds; numbers are served digit for digit as the charges have them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.bill.columns import NUMBERS, field_of, record_properties
from sandbox.bill.forms import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

FORM = Form(date_format="%Y-%m-%dT00:00:00.0000000Z", booleans=True)
KINDS = {"ea": "legacy", "mca": "modern"}

_EXPANDED = frozenset({"meterDetails", "additionalInfo"})
_TEXT_NUMBERS = frozenset({"exchangeRate", "partnerEarnedCreditApplied"})
_OTHER_CASE_EVERY = 7
_OTHER_CASE = {"accountOwnerId": "AccountOwnerId", "payGPrice": "PayGPrice", "term": "Term"}
_WITHOUT_PRICE_EVERY = 50


def records(frame: pl.DataFrame, agreement: str, scope: str, start: int, expanded: bool) -> Iterator[str]:  # noqa: FBT001 - as $expand says
    """Yield the JSON text of a record for each charge.

    Args:
        frame: All fields in the form `FORM`.
        agreement: `ea` or `mca`.
        scope: The path that was asked for.
        start: The number of the first charge among all that were asked for.
        expanded: Whether meter details and additional info are there; without, legacy records have null.
    """
    kind = KINDS[agreement]
    properties = [(name, field_of(name)) for name in record_properties(kind)]
    for number, charge in enumerate(frame.iter_rows(named=True), start):
        texts = {name: _text(name, charge, field) for name, field in properties}
        if kind == "legacy":
            texts["meterDetails"] = _meter_details(charge)
            if not expanded:
                texts |= dict.fromkeys(_EXPANDED, "null")
        elif number % _WITHOUT_PRICE_EVERY == 1:
            del texts["effectivePrice"]
        if number % _OTHER_CASE_EVERY == 1:
            texts = {_OTHER_CASE.get(name, name): text for name, text in texts.items()}
        name = f"usageDetails_{number}"
        head = {
            "id": f"/{scope.strip('/')}/providers/Microsoft.Consumption/usageDetails/{name}",
            "name": name,
            "type": "Microsoft.Consumption/usageDetails",
            "kind": kind,
        }
        yield f'{_json(head)[:-1]},"tags":{charge["tags"] or "null"},"properties":{_object(texts)}}}'


def _text(name: str, charge: dict[str, Any], field: str | None) -> str:
    value = charge[field] if field else None
    if value is not None and field in NUMBERS and name not in _TEXT_NUMBERS:
        return str(value)
    return _json(value)


def _meter_details(charge: dict[str, Any]) -> str:
    return _json({name: charge[name] for name in record_properties("legacy.meterDetails")})


def _object(texts: dict[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

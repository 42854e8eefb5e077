"""Reads the JSON objects in tags and additional_info (R8), and the members that other rules need of them.

Each distinct document is read once, by msgspec: Polars reads JSON only into types known
beforehand, and rewrites numbers.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import polars as pl

from mapper_azure_billing_tracking.batches.json_values import original_text
from mapper_azure_billing_tracking.rules.distinct import VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OBJECT = "object"
UNREADABLE = "unreadable"
MACHINE = "vm"

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DEEPEST = 100
_NULL_TEXTS = ("", "null", "[]", "{}")


class Document(NamedTuple):
    """A document as R8 reads it."""

    text: str | None
    """The object as compact JSON; None where the document is null or not an object."""
    members: Mapping[str, msgspec.Raw]
    """The object's members, the last of repeated ones; R9 and R13 read them even if no JSON column holds the object."""
    unreadable: bool
    """Whether it isn't an object, or is one that no JSON column holds."""


_NULL = Document(None, {}, unreadable=False)
_UNREADABLE = Document(None, {}, unreadable=True)


def read_document(given: str) -> Document:
    """R8: read the text of `tags` or `additional_info` as an object.

    Args:
        given: The original text.

    Returns:
        The object; null for blank text, `{}`, `[]` and `null`; else unreadable. An object for which ClickHouse's JSON
        type would refuse the whole batch is unreadable too, but keeps its text: one with a repeated path, a number
        beyond 64-bit floats, or more than 100 levels.
    """
    text = given.strip()
    if text in _NULL_TEXTS:
        return _NULL
    try:
        if text.startswith("["):
            return _NULL if msgspec.json.format(text, indent=-1) == "[]" else _UNREADABLE
        if not text.startswith("{"):
            text = f"{{{text}}}"
        members = _members.decode(text)
        if not members:
            return _NULL
        compact = msgspec.json.format(text, indent=-1)
        return Document(compact, members, unreadable=not _fits_json_column(compact))
    except (msgspec.DecodeError, RecursionError):  # RecursionError: nested deeper than any real tag
        return _UNREADABLE


def _fits_json_column(compact: str) -> bool:
    """Return whether a ClickHouse JSON column holds an object (tried with ClickHouse 26.9)."""
    flat = compact.count("{") == 1 and "[" not in compact
    if flat and _written_alike(compact):
        return True
    try:
        return _held(_pairs.decode(compact), depth=1)
    except (ValueError, RecursionError):
        return False


def _written_alike(compact: str) -> bool:
    """Return whether a dict reproduces the object unchanged: then no key is repeated, and no number is too large."""
    try:
        return msgspec.json.encode(msgspec.json.decode(compact)) == compact.encode()
    except msgspec.DecodeError:
        return False


class _Pairs(list[tuple[str, Any]]):
    """The members of an object with the repeated ones."""


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


_pairs = json.JSONDecoder(object_pairs_hook=_Pairs, parse_float=_finite, parse_int=str)


def _held(value: object, depth: int, paths: set[str] | None = None, path: str = "") -> bool:
    if isinstance(value, list) and depth > _DEEPEST:
        return False
    if isinstance(value, _Pairs):
        # A dot in a key splits a path as a level does. The objects in an array have their own paths.
        keys = [key for key, _ in value]
        seen = set() if paths is None else paths
        return len(set(keys)) == len(keys) and all(
            _held(member, depth + 1, seen, f"{path}.{key}" if paths is not None else key) for key, member in value
        )
    if paths is not None:
        if path in paths:
            return False
        paths.add(path)
    return not isinstance(value, list) or all(_held(entry, depth + 1) for entry in value)


def member_name(raw: msgspec.Raw) -> str | None:
    """R13: return the name in a member: a string that is not blank, or a number's JSON text; None for anything else.

    Args:
        raw: The member's JSON.
    """
    if bytes(raw)[:1] in {b"t", b"f", b"{", b"["}:
        return None
    text = original_text(raw)
    return text if text and text.strip() else None


def tags_reader(tag_columns: Mapping[str, str]) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Return the reader of distinct tags: from `value` to `value, object, unreadable` and the columns for R9.

    Args:
        tag_columns: Tag -> column for its text.
    """

    def read(values: pl.DataFrame) -> pl.DataFrame:
        documents = [read_document(text) for text in values[VALUE]]
        columns = {
            column: [
                original_text(document.members[tag]) if tag in document.members else None for document in documents
            ]
            for tag, column in tag_columns.items()
        }
        return _beside(values, documents, columns)

    return read


def additional_info_of(values: pl.DataFrame) -> pl.DataFrame:
    """Read distinct additional infos.

    Args:
        values: Column `value`.

    Returns:
        Columns `value, object, unreadable, vm`: the machine's name by VMName, else VmName (R13).
    """
    documents = [read_document(text) for text in values[VALUE]]
    return _beside(values, documents, {MACHINE: [_machine(document.members) for document in documents]})


def _machine(members: Mapping[str, msgspec.Raw]) -> str | None:
    for key in ("VMName", "VmName"):
        if key in members and (name := member_name(members[key])):
            return name
    return None


def _beside(values: pl.DataFrame, documents: list[Document], columns: Mapping[str, list[str | None]]) -> pl.DataFrame:
    return values.with_columns(
        pl.Series(OBJECT, [document.text for document in documents], dtype=pl.String),
        pl.Series(UNREADABLE, [document.unreadable for document in documents], dtype=pl.Boolean),
        *(pl.Series(name, texts, dtype=pl.String) for name, texts in columns.items()),
    )

"""What is wrong with a setting, as a sentence for whoever set it: Pydantic's own words are for programmers.

The tap is installed without the warehouse: each has this file, and a test keeps the two identical.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from pydantic import ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

_MOST_CHARACTERS = 60
_NO_WHOLE_NUMBER = "is not a whole number"
_NO_OBJECT = "is not an object"
_NO_LIST = "is not a list"
FAULTS = {
    "bool_parsing": "is neither true nor false",
    "bool_type": "is neither true nor false",
    "dict_type": _NO_OBJECT,
    "finite_number": "is not a finite number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "greater_than": "is too small; it must be more than {gt:,.10g}",
    "greater_than_equal": "is too small; the least is {ge:,.10g}",
    "int_from_float": _NO_WHOLE_NUMBER,
    "int_parsing": _NO_WHOLE_NUMBER,
    "int_parsing_size": "has too many digits",
    "int_type": _NO_WHOLE_NUMBER,
    "less_than": "is too large; it must be less than {lt:,.10g}",
    "less_than_equal": "is too large; the most is {le:,.10g}",
    "list_type": _NO_LIST,
    "literal_error": "is unknown; it must be {expected}",
    "model_attributes_type": _NO_OBJECT,
    "model_type": _NO_OBJECT,
    "path_type": "is not a path",
    "string_pattern_mismatch": "does not have the right form",
    "string_too_short": "is empty",
    "string_type": "is not text",
    "tuple_type": _NO_LIST,
}
"""Type of Pydantic's error -> what follows the value; `value_error` is in our own words already."""


def sentences(
    error: ValidationError,
    model: type[BaseModel],
    variable: Callable[[str], str],
    settings: Mapping[str, Any],
    forms: Mapping[str, str] | None = None,
) -> list[str]:
    """Return a sentence for each setting that is wrong, with its value unless that may be secret.

    Args:
        error: What the model says.
        model: The model of all settings.
        variable: The environment variable of a setting, whose name has the groups that it is in: `group.name`.
        settings: What the model was given: what is a secret there is not shown where it stands by mistake either.
        forms: A pattern that a text must match -> its form in words, as it follows "must be".
    """
    secrets = set(_secrets(settings, model))
    return [_sentence(found, model, variable, forms or {}, secrets) for found in error.errors(include_url=False)]


def unknown_name(name: str, known: Iterable[str], written: Callable[[str], str] = str) -> str:
    """Return what follows the name of a setting that doesn't exist: the nearest one that does, if one is near.

    Args:
        name: The name.
        known: The names that there are.
        written: Writes a name as the sentence has it.
    """
    names = sorted(known)
    near = [each for each in names if each.startswith(name.lower())] or get_close_matches(name.lower(), names, n=1)
    return f"did you mean `{written(near[0])}`?" if near else "`--about` lists those there are."


def unreadable_files(paths: Sequence[str], error: Exception) -> str:
    """Return the sentence for an error that was met when the configuration files were read.

    Args:
        paths: The files; `ENV` is none.
        error: As reading or parsing raised it.
    """
    files = " or ".join(path for path in paths if path != "ENV")
    if isinstance(error, OSError):
        reason = (error.strerror or "there is no such file").lower()
        return f"The configuration file {files} can't be read ({reason}): correct its path or permissions."
    # singer-sdk parses with simplejson, whose errors are like json's but not of its class.
    line, column = getattr(error, "lineno", None), getattr(error, "colno", None)
    place = f" (line {line}, column {column})" if line else ""
    return f"The configuration file {files} is not a JSON object{place}: correct it."


def fault(error: ErrorDetails, forms: Mapping[str, str], *, is_secret: bool = False) -> str:
    """Return what is wrong with a value, with the value itself unless that may be secret."""
    value, kind, context = error["input"], error["type"], error.get("ctx", {})
    is_shown = isinstance(value, str | int | float) and not is_secret and "://" not in str(value)
    subject = _shown(value) if is_shown else "it"
    if kind == "value_error":
        words = str(context["error"])
        return words if subject == "it" or subject in words else f"{subject}: {words}"
    if kind == "string_pattern_mismatch" and (form := forms.get(context["pattern"])):
        return f"{subject} won't do: it must be {form}"
    return f"{subject} {FAULTS.get(kind, 'cannot be used').format(**context)}"


def _sentence(
    error: ErrorDetails,
    model: type[BaseModel],
    variable: Callable[[str], str],
    forms: Mapping[str, str],
    secrets: Collection[str],
) -> str:
    place = ".".join(map(str, error["loc"]))
    if not place:
        words = fault(error, forms, is_secret=True)
        return f"{words[0].upper()}{words[1:]}."
    if error["type"] == "missing":
        return f"Setting `{place}` is missing: set it (environment variable {variable(place)})."
    if error["type"] == "extra_forbidden":
        *group, name = error["loc"]
        return f"There is no setting `{place}`: {unknown_name(str(name), _names(model, group))}"
    is_secret = any(_may_hold_a_secret(name, field) for name, field in _fields(model, error["loc"]))
    words = fault(error, forms, is_secret=is_secret or str(error["input"]) in secrets)
    return f"Setting `{place}` is wrong: {words} (environment variable {variable(place)})."


def _shown(value: str | float) -> str:
    return repr(value) if len(repr(value)) <= _MOST_CHARACTERS else f"{repr(value)[:_MOST_CHARACTERS]}..."


def _may_hold_a_secret(name: str, field: FieldInfo) -> bool:
    """Return whether a setting is a secret, or an address, which may have one in it."""
    extra = field.json_schema_extra
    is_marked = isinstance(extra, dict) and bool(extra.get("secret"))
    return is_marked or SecretStr in (field.annotation, *get_args(field.annotation)) or name.endswith("_url")


def _secrets(settings: Mapping[str, Any], model: type[BaseModel]) -> Iterator[str]:
    """Yield what is given for secret settings."""
    for name, field in model.model_fields.items():
        value = settings.get(name)
        if _may_hold_a_secret(name, field):
            yield str(value)
        elif isinstance(value, dict) and (group := _group_in(field.annotation)):
            yield from _secrets(value, group)


def _fields(model: type[BaseModel] | None, place: Iterable[str | int]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield each setting on the way to a place, the outermost group first."""
    for part in place:
        if model is not None and isinstance(part, str) and part in model.model_fields:
            field = model.model_fields[part]
            yield part, field
            model = _group_in(field.annotation)


def _names(model: type[BaseModel], place: Iterable[str | int]) -> list[str]:
    group: type[BaseModel] | None = model
    for _, field in _fields(model, place):
        group = _group_in(field.annotation)
    return list(group.model_fields) if group else []


def _group_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - a type, or a special form of typing
    """Return the model that an annotation is or has in it, as `X | None` and `tuple[X, ...]` do."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _group_in(part))), None)

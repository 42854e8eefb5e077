"""What is said of the settings: their schema for `--about`, and a sentence for each that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema
from singer_sdk.singerlib.schema import resolve_schema_references
from typing_extensions import override

from tap_azure_ea_billing.config import AzureApiConfig
from tap_azure_ea_billing.setting_sentences import sentences, unknown_name
from tap_azure_ea_billing.sources.forms import FORMS
from tap_azure_ea_billing.sources.settings import ENVIRONMENT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema


class _PlainSchema(GenerateJsonSchema):
    """JSON Schema as plugin settings have it: optional means absent, never null, and a secret is only marked so."""

    @override
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    @override
    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        plain = super().default_schema(schema)
        if plain.get("default", ...) in (None, [], ()):
            del plain["default"]
        return plain


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema of the settings, in the form that singer-sdk reads."""
    schema = resolve_schema_references(AzureApiConfig.model_json_schema(schema_generator=_PlainSchema))
    return {"type": "object", "properties": schema["properties"], "required": schema["required"]}


def setting_errors(error: ValidationError, settings: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each of the settings that is wrong, never with its value if that could be a key."""
    return sentences(error, AzureApiConfig, _variable, settings, FORMS)


def unknown_variables(variables: Mapping[str, str], others: Iterable[str]) -> list[str]:
    """Return a sentence for each environment variable with our prefix that names no setting.

    Meltano hands on variables of its own beside those of the settings: `TAP_AZURE_EA_BILLING__SELECT` and the like.

    Args:
        variables: The environment.
        others: Names of settings that are not ours, but singer-sdk's.
    """
    known = {*_names(settings_schema()["properties"]), *others, "loglevel"}
    names = [name.removeprefix(ENVIRONMENT_PREFIX) for name in variables if name.startswith(ENVIRONMENT_PREFIX)]
    of_others = ("_", *(f"{name.upper()}_" for name in others))
    return [
        f"The environment variable {ENVIRONMENT_PREFIX}{name} is no setting of the tap: "
        + unknown_name(name, known, lambda near: ENVIRONMENT_PREFIX + near.upper())
        for name in names
        if name.lower() not in known and not name.startswith(of_others)
    ]


def variable_errors(variables: Mapping[str, str]) -> list[str]:
    """Return a sentence for each environment variable that singer-sdk could not make a setting of.

    It takes integers and JSON from their text, with a traceback if they are none, and any other text for `false`.
    """
    texts: dict[str, Any] = {}
    for name, schema in settings_schema()["properties"].items():
        text = variables.get(ENVIRONMENT_PREFIX + name.upper())
        if text is not None and schema["type"] in {"integer", "boolean"}:
            texts[name] = text
        elif text is not None and schema["type"] in {"array", "object"}:
            try:
                texts[name] = msgspec.json.decode(text)
            except msgspec.DecodeError:
                texts[name] = text  # is neither a list nor an object
    try:
        AzureApiConfig.model_validate(texts)
    except ValidationError as error:
        return [
            sentence
            for sentence, found in zip(setting_errors(error, texts), error.errors(), strict=True)
            if found["loc"] and found["loc"][0] in texts
        ]
    return []


def _variable(setting: str) -> str:
    return ENVIRONMENT_PREFIX + setting.partition(".")[0].upper()


def _names(properties: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the names of settings as variables have them: a group, and each setting in it."""
    for name, schema in properties.items():
        yield prefix + name
        yield from _names(schema.get("properties", {}), f"{prefix}{name}_")

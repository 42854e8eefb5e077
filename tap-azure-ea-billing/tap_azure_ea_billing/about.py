"""What is said of the settings: their schema for `--about`, and a sentence for each that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema
from singer_sdk.singerlib.schema import resolve_schema_references
from typing_extensions import override

from tap_azure_ea_billing.config import AzureApiConfig
from tap_azure_ea_billing.sources.settings import ENVIRONMENT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import ErrorDetails, core_schema


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


def setting_errors(error: ValidationError) -> list[str]:
    """Return a sentence for each setting that is wrong, never with its value if that could be a key."""
    return [_sentence(details) for details in _found(error)]


def variable_errors(variables: Mapping[str, str]) -> list[str]:
    """Return a sentence for each environment variable that singer-sdk could not make a setting of.

    It takes integers and JSON from their text, with a traceback if they are none, and any other text for `false`.
    """
    texts: dict[str, Any] = {}
    for name, schema in settings_schema()["properties"].items():
        text = variables.get(ENVIRONMENT_PREFIX + name.upper())
        if text is not None and schema["type"] in {"integer", "boolean"}:
            texts[name] = text
        elif text is not None and schema["type"] == "array":
            try:
                texts[name] = msgspec.json.decode(text)
            except msgspec.DecodeError:
                texts[name] = text  # is no list either
    try:
        AzureApiConfig.model_validate(texts)
    except ValidationError as error:
        return [_sentence(details) for details in _found(error) if details["loc"] and details["loc"][0] in texts]
    return []


def _found(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False, include_context=False)


def _sentence(details: ErrorDetails) -> str:
    message = details["msg"].removeprefix("Value error, ")
    if not details["loc"]:
        return f"{message[0].upper()}{message[1:]}."
    setting = ".".join(str(part) for part in details["loc"])
    variable = f"environment variable {ENVIRONMENT_PREFIX}{str(details['loc'][0]).upper()}"
    if details["type"] == "missing":
        return f"Setting `{setting}` is missing: set it ({variable})."
    return f"Setting `{setting}` is wrong: {message[0].lower()}{message[1:]} ({variable})."

"""The mapper's settings: each error names its setting, texts will do for numbers, and no secret is shown."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from mapper.runs import COMMAND, DETAIL, ISSUE, USAGE_SCHEMA, usage_line
from pydantic import BaseModel, ValidationError
from singer_sdk.exceptions import ConfigValidationError

from azure_billing_warehouse.config import ClickHouseConfig
from azure_billing_warehouse.setting_sentences import FAULTS, sentences
from mapper_azure_billing_tracking.config import (
    PatternsConfig,
    ProcessingConfig,
    config_jsonschema,
    unknown_variables,
    variable,
)
from mapper_azure_billing_tracking.mapper import MapperAzureBillingTracking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mapper.runs import MapperRuns

SECRET = "s3cret-of-the-test"  # noqa: S105 - stands for one

WRONG: list[tuple[str, dict[str, Any]]] = [
    ("output", {"output": "csv"}),
    ("tax_rate", {"tax_rate": "six"}),
    ("tax_rate", {"tax_rate": -0.1}),
    ("tax_rate", {"tax_rate": "NaN"}),
    ("tax_rate", {"tax_rate": 1e999}),
    ("batch_size_rows", {"batch_size_rows": 0}),
    ("batch_size_rows", {"batch_size_rows": 1.5}),
    ("memory_threshold_mb", {"memory_threshold_mb": 0}),
    ("missing_instance_id", {"missing_instance_id": "drop"}),
    ("create_tables", {"create_tables": "perhaps"}),
    ("outputs", {"outputs": "arrow"}),
    ("patterns.table", {"patterns": {"table": "a.b.c"}}),
    ("patterns.required", {"patterns": {"required": "perhaps"}}),
    ("stream", {"stream": 5}),
    ("month_stream", {"stream": "rows", "month_stream": "rows"}),
    ("columns", {"columns": {"produkt": "product_name"}}),
    ("columns", {"columns": {"product": "name", "meter_name": "name"}}),
    ("columns", {"columns": {"product": "meter_name"}}),
    ("tag_columns", {"tag_columns": {"env": "environment"}}),
    ("tag_columns", {"tag_columns": {"app": "extended_cost"}}),
    ("tag_columns", {"tag_columns": {"app": "instance_id"}}),
    ("patterns.source", {"patterns": {"source": "excel"}}),
    ("patterns.refresh_seconds", {"patterns": {"refresh_seconds": 0}}),
    ("patterns.on_unavailable", {"patterns": {"on_unavailable": "ignore"}}),
    ("patterns.file", {"patterns": {"file": "x.csv"}}),
    ("clickhouse.port", {"clickhouse": {"port": "http"}}),
    ("clickhouse.port", {"clickhouse": {"port": 65536}}),
    ("clickhouse.database", {"clickhouse": {"database": "bill'"}}),
    ("clickhouse.database", {"clickhouse": {"database": 'bill"'}}),
    ("clickhouse.database", {"clickhouse": {"database": "bill\n"}}),
    ("batch_size_mb", {"batch_size_mb": 0}),
    ("max_line_mb", {"max_line_mb": "long"}),
    ("batch_directory_mb", {"batch_directory_mb": -1}),
    ("clickhouse.json_type", {"clickhouse": {"json_type": "Text"}}),
    ("clickhouse.user", {"clickhouse": {"user": "x", "password": SECRET}}),
    ("clickhouse.password", {"clickhouse": {"password": [SECRET]}}),
]


@pytest.mark.parametrize(("name", "settings"), WRONG)
def test_a_wrong_setting_is_an_error_that_names_it_before_any_line_is_read(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigValidationError) as refused:
        MapperAzureBillingTracking(config=settings)
    assert any(f"etting `{name}" in error for error in refused.value.errors), refused.value.errors
    assert SECRET not in str(refused.value.errors)


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(ConfigValidationError) as refused:
        MapperAzureBillingTracking(config={"output": "csv", "tax_rate": "x", "clickhouse": {"port": 0}})
    prefix = "MAPPER_AZURE_BILLING_TRACKING_"
    assert refused.value.errors == [
        (
            f"Setting `output` is wrong: 'csv' is unknown; it must be 'records', 'jsonl' or 'arrow' "
            f"(environment variable {prefix}OUTPUT)."
        ),
        f"Setting `tax_rate` is wrong: 'x' is not a number (environment variable {prefix}TAX_RATE).",
        "Setting `clickhouse.port` is wrong: 0 is too small; the least is 1 (environment variable CLICKHOUSE_PORT).",
    ]


def leaves(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    groups: dict[str, type[BaseModel]] = {"patterns": PatternsConfig, "clickhouse": ClickHouseConfig}
    for name in model.model_fields:
        yield (name,)
        if name in groups:
            yield from ((name, *inner) for inner in leaves(groups[name]))


WRONG_VALUES = [
    " ",
    "no such value!",
    "\u20ac",
    "a'b",
    0,
    -1,
    1.5,
    10**30,
    float("nan"),
    float("inf"),
    [1],
    {"a": 1},
    None,
]
PYDANTICS = re.compile(
    r"input|valid |validation|field required|extra|parse|instance of|type=|pydantic|cannot", re.IGNORECASE
)


@pytest.mark.parametrize("place", list(leaves(ProcessingConfig)), ids=".".join)
def test_no_wrong_value_is_told_in_pydantics_words(place: tuple[str, ...]) -> None:
    for value in WRONG_VALUES:
        settings: Any = value
        for name in reversed(place):
            settings = {name: settings}
        for sentence in refusals(settings):
            assert f"etting `{'.'.join(place)}" in sentence
            assert not PYDANTICS.search(sentence), sentence


def refusals(settings: dict[str, Any]) -> list[str]:
    try:
        ProcessingConfig.model_validate(settings)
    except ValidationError as error:
        if unworded := {found["type"] for found in error.errors()} - {*FAULTS, "value_error", "extra_forbidden"}:
            raise AssertionError(unworded) from error
        return sentences(error, ProcessingConfig, variable, settings)
    return []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tax_rat": 1}, "There is no setting `tax_rat`: did you mean `tax_rate`?"),
        ({"clickhouse": {"user": SECRET}}, "There is no setting `clickhouse.user`: did you mean `username`?"),
        ({"patterns": {"file": SECRET}}, "There is no setting `patterns.file`: `--about` lists those there are."),
    ],
)
def test_a_setting_that_does_not_exist_is_told_with_the_nearest_one(settings: dict[str, Any], sentence: str) -> None:
    assert refusals(settings) == [sentence]


def test_a_variable_that_is_no_setting_is_a_warning_with_the_nearest_one() -> None:
    prefix = "MAPPER_AZURE_BILLING_TRACKING_"
    good = ("TAX_RATE", "PATTERNS", "PATTERNS_TABLE", "CLICKHOUSE_HOST", "LOGLEVEL", "_MAPPINGS")
    assert unknown_variables([f"{prefix}{name}" for name in ("PATTERNS_REQIRED", *good)]) == [
        (
            f"The environment variable {prefix}PATTERNS_REQIRED is no setting of the mapper: "
            f"did you mean `{prefix}PATTERNS_REQUIRED`?"
        )
    ]


def test_a_configuration_file_that_is_no_json_is_one_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "mapper.json"
    path.write_text('{"output": "arrow",}', encoding="utf-8")
    assert CliRunner().invoke(MapperAzureBillingTracking.cli, ["--config", str(path)]).exit_code == 1
    (told,) = (entry for entry in caplog.records if entry.levelname == "ERROR")
    assert told.getMessage().startswith(f"The configuration file {path} is not a JSON object (line 1, column ")
    assert told.exc_info is None


def test_a_wrong_setting_ends_the_process_without_a_trace_or_a_secret(mapper: MapperRuns) -> None:
    ended = mapper.finish([USAGE_SCHEMA], output="csv", clickhouse={"password": SECRET, "port": SECRET})
    assert ended.code == 1
    assert "Traceback" not in ended.said
    assert SECRET not in ended.said
    assert "Setting `output` is wrong: " in ended.said
    assert ended.output.lines == []


def test_numbers_and_booleans_may_be_texts_as_environment_variables_are() -> None:
    texts = {
        "tax_rate": "0.13", "batch_size_rows": "500", "memory_threshold_mb": "300", "create_tables": "false",
        "patterns": {"refresh_seconds": "60"}, "clickhouse": {"port": "9000", "secure": "true", "verify": "0"},
    }  # fmt: skip
    settings = ProcessingConfig.model_validate(texts)
    assert (settings.tax_rate, settings.batch_size_rows, settings.memory_threshold_mb) == (0.13, 500, 300)
    assert not settings.create_tables
    assert settings.patterns.refresh_seconds == 60
    assert settings.clickhouse is not None
    assert (settings.clickhouse.port, settings.clickhouse.secure, settings.clickhouse.verify) == (9000, True, False)


@pytest.mark.parametrize("group", ["patterns", "clickhouse"])
def test_an_empty_text_is_a_setting_that_is_not_set(group: str) -> None:
    names = config_jsonschema(ProcessingConfig)["properties"][group]["properties"]
    blank = ProcessingConfig.model_validate({group: dict.fromkeys(names, "")})
    assert getattr(blank, group) == getattr(ProcessingConfig.model_validate({group: {}}), group)


@pytest.mark.parametrize(
    "name", ["tax_rate", "batch_size_rows", "batch_directory", "create_tables", "output", "stream"]
)
def test_an_empty_text_at_the_top_is_not_set_either(name: str) -> None:
    assert ProcessingConfig.model_validate({name: ""}) == ProcessingConfig()


def test_settings_come_from_environment_variables(mapper: MapperRuns) -> None:
    patterns = mapper.folder / "p.csv"
    patterns.write_text("id,resource_tracking\n1,b-1\n", encoding="utf-8")
    prefix = "MAPPER_AZURE_BILLING_TRACKING_"
    environment = {
        "TAX_RATE": "0.5", "BATCH_SIZE_ROWS": "1", "MISSING_INSTANCE_ID": "keep", "CREATE_TABLES": "false",
        "PATTERNS": json.dumps({"source": "csv", "path": str(patterns)}),
    }  # fmt: skip
    ended = subprocess.run(
        [COMMAND, "--config=ENV"],
        input=USAGE_SCHEMA + usage_line(1) + usage_line(2, instance_id=None),
        capture_output=True,
        env=os.environ | {prefix + name: text for name, text in environment.items()},
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    rows = [json.loads(line)["record"] for line in ended.stdout.splitlines() if json.loads(line)["type"] == "RECORD"]
    assert [row["extended_cost_tax"] for row in rows if "extended_cost_tax" in row] == [15, 15]
    assert rows[0]["resource_tracking"] == "B-1"
    assert rows[-1]["severity"] == "warn"


@pytest.fixture(scope="module")
def about() -> dict[str, Any]:
    """What `--about` says, of a process that has no network: proxies that nothing answers, and no settings."""
    blocked = dict.fromkeys(
        ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    said = subprocess.run(
        [COMMAND, "--about", "--format=json"],
        capture_output=True,
        env=os.environ | blocked,
        timeout=60,
        check=True,
    )
    shown: dict[str, Any] = json.loads(said.stdout)
    return shown


def test_about_tells_every_setting_with_title_description_and_default(about: dict[str, Any]) -> None:
    def check(properties: dict[str, Any], fields: dict[str, Any]) -> None:
        assert fields.keys() <= properties.keys()
        for name in fields:
            assert properties[name].get("title"), name
            assert properties[name].get("description"), name

    properties = about["settings"]["properties"]
    check(properties, ProcessingConfig.model_fields)
    defaults = ProcessingConfig()
    for name in ("stream", "month_stream", "output", "batch_size_rows", "tax_rate", "missing_instance_id"):
        assert properties[name]["default"] == getattr(defaults, name)
    assert set(about["capabilities"]) >= {"about", "structured-logging"}
    assert "stream-maps" not in about["capabilities"]


def test_about_marks_the_password_as_secret_and_shows_none(about: dict[str, Any]) -> None:
    password = about["settings"]["properties"]["clickhouse"]["properties"]["password"]
    assert password["secret"] is True
    assert not password.get("default")


def test_no_setting_is_shown_that_the_mapper_refuses(about: dict[str, Any]) -> None:
    """The SDK adds settings of its own to `--about`; what it shows must be taken."""
    for name in about["settings"]["properties"]:
        assert name in ProcessingConfig.model_fields


def test_the_password_is_no_part_of_the_settings_text() -> None:
    settings = ProcessingConfig.model_validate({"clickhouse": {"password": SECRET}})
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in text


def test_an_input_file_may_be_named(mapper: MapperRuns) -> None:
    lines, config = mapper.folder / "lines.jsonl", mapper.folder / "settings.json"
    lines.write_bytes(USAGE_SCHEMA + usage_line(1, date=None) + usage_line(2))
    config.write_text(json.dumps(mapper.settings()), encoding="utf-8")
    ended = subprocess.run([COMMAND, "--config", config, "--input", lines], capture_output=True, timeout=60, check=True)
    streams = [json.loads(line)["stream"] for line in ended.stdout.splitlines()]
    assert streams.count(DETAIL) == 2
    assert streams.count(ISSUE) == 2

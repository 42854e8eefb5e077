"""Settings: what is wrong is said in a sentence that names the setting, before the first request."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from click.testing import CliRunner
from pydantic import BaseModel, ValidationError
from singer_sdk.exceptions import ConfigValidationError
from tap.tap_runs import NOW, Clock

from azure_billing_warehouse import setting_sentences as warehouses
from tap_azure_ea_billing import setting_sentences as taps
from tap_azure_ea_billing.about import setting_errors, settings_schema
from tap_azure_ea_billing.config import AzureApiConfig, BatchConfig, BatchEncoding, BatchStorage
from tap_azure_ea_billing.setting_sentences import FAULTS
from tap_azure_ea_billing.sources import SOURCES
from tap_azure_ea_billing.sources.forms import FORMS
from tap_azure_ea_billing.sources.settings import Enrollment
from tap_azure_ea_billing.tap import TapAzureEABilling

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD: dict[str, Any] = {"enrollment_number": "1", "api_key": "key", "start_date": "2026-08"}
SECRET = "s3cret-of-the-test"  # noqa: S105 - stands for one
OUR_TYPES = {"value_error", "missing", "extra_forbidden"}
BLANK = dict.fromkeys((*settings_schema()["properties"], "stream_maps"), "")


def errors(**other: Any) -> list[str]:
    """Return the sentences that a configuration ends in."""
    try:
        TapAzureEABilling(config={**GOOD, **other}, clock=Clock(NOW))
    except ConfigValidationError as error:
        return error.errors
    return []


def test_a_good_configuration_has_no_errors() -> None:
    assert errors() == []


START = "environment variable TAP_AZURE_EA_BILLING_START_DATE"
NUMBER = "environment variable TAP_AZURE_EA_BILLING_ENROLLMENT_NUMBER"
NAMES = " or ".join(map(repr, SOURCES))
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"start_date": ""}, f"Setting `start_date` is missing: set it ({START})."),
    (
        {"start_date": "08/2026"},
        f"Setting `start_date` is wrong: '08/2026' is not a month or date like 2026-08 or 2026-08-01 ({START}).",
    ),
    ({"start_date": "2026-12"}, "Setting `start_date` (2026-12) lies in the future: the month is 2026-11."),
    ({"end_date": "2026-12-01"}, "Setting `end_date` (2026-12-01) lies in the future: the month is 2026-11."),
    ({"end_date": "2026-07"}, "Setting `end_date` (2026-07) lies before `start_date` (2026-08): change one."),
    ({"enrollment_number": " "}, f"Setting `enrollment_number` is missing: set it ({NUMBER}) or `enrollments`."),
    (
        {"enrollments": [{"enrollment_number": "2"}]},
        "Settings `enrollment_number` and `enrollments` are both set: leave one of them out.",
    ),
    (
        {"enrollment_number": "", "enrollments": [{"enrollment_number": "2"}, {"enrollment_number": "2"}]},
        "Setting `enrollments` names an enrollment twice: leave one of them out.",
    ),
    (
        {"api_key": ""},
        "Enrollment 1 has no key: set `api_key` (environment variable TAP_AZURE_EA_BILLING_API_KEY) or `api_key_file`.",
    ),
    (
        {"source": "portal"},
        (
            f"Setting `source` is wrong: 'portal' is unknown; it must be {NAMES} "
            "(environment variable TAP_AZURE_EA_BILLING_SOURCE)."
        ),
    ),
    (
        {"restatement_days": -1},
        (
            "Setting `restatement_days` is wrong: -1 is too small; the least is 0 "
            "(environment variable TAP_AZURE_EA_BILLING_RESTATEMENT_DAYS)."
        ),
    ),
]
UNKNOWN: list[tuple[dict[str, Any], str]] = [
    ({"restatment_days": 3}, "There is no setting `restatment_days`: did you mean `restatement_days`?"),
    ({"Start_Date": "2026-01"}, "There is no setting `Start_Date`: did you mean `start_date`?"),
    ({"zzz": SECRET}, "There is no setting `zzz`: `--about` lists those there are."),
    (
        {"enrollment_number": "", "enrollments": [{"enrollment_number": "2", "api_keyfile": SECRET}]},
        "There is no setting `enrollments.0.api_keyfile`: did you mean `api_key_file`?",
    ),
    (
        {"batch_config": {"encoding": {"format": "arrow", "compression": "gzip"}, "storage": {"root": "rows"}}},
        "There is no setting `batch_config.encoding.compression`: `--about` lists those there are.",
    ),
]
WRONG_VALUES = [
    "",
    " ",
    "no such value!",
    "\u20ac",
    0,
    -1,
    1.5,
    10**30,
    float("nan"),
    float("inf"),
    True,
    [1],
    {"a": 1},
]
PYDANTICS = re.compile(r"input|valid |validation|required|extra|parse|instance|type=|pydantic|cannot", re.IGNORECASE)
BOUNDED = [
    *("restatement_days", "max_clock_skew", "request_timeout", "request_deadline", "max_body_mb", "max_retries"),
    *("max_backoff", "prefetch_pages", "max_pages", "max_empty_pages"),
]
NO_ADDRESSES = [
    *("ea.azure.cn/rest", "ftp://ea.azure.cn", "https://", "https://key@ea.azure.cn/rest", "https://ea.azure.cn?a=1"),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_what_is_wrong_is_said_in_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    assert errors(**wrong) == [sentence]


@pytest.mark.parametrize(("unknown", "sentence"), UNKNOWN)
def test_a_setting_that_does_not_exist_is_told_with_the_nearest_one(unknown: dict[str, Any], sentence: str) -> None:
    assert errors(**unknown) == [sentence]


def test_settings_of_meltano_and_the_sdk_are_no_concern_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    assert errors(_select=["*.*"], stream_maps={}, flattening_enabled=False, faker_config={"seed": 1}) == []
    assert "setting" not in caplog.text


def test_a_variable_that_is_no_setting_is_a_warning_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    others = ("_SELECT", "_LOAD_SCHEMA", "LOGLEVEL", "BATCH_CONFIG_STORAGE_ROOT", "STREAM_MAPS", "FAKER_CONFIG_SEED")
    for name in ("MAX_RETRYS", *others, *(name.upper() for name in settings_schema()["properties"])):
        monkeypatch.setenv(f"TAP_AZURE_EA_BILLING_{name}", "debug")
    assert errors() == []
    told = [record.getMessage() for record in caplog.records if "is no setting" in record.getMessage()]
    (sentence,) = told
    assert sentence == (
        "The environment variable TAP_AZURE_EA_BILLING_MAX_RETRYS is no setting of the tap: "
        "did you mean `TAP_AZURE_EA_BILLING_MAX_RETRIES`?"
    )


def places(model: type[BaseModel], place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each setting, groups and what is in them."""
    for name, field in model.model_fields.items():
        yield (*place, name)
        for group in (Enrollment, BatchConfig, BatchEncoding, BatchStorage):
            if group is field.annotation or group in get_args(field.annotation):
                yield from places(group, (*place, name))


def refusal(settings: dict[str, Any]) -> ValidationError | None:
    """Return what the model says of settings that it does not take."""
    try:
        AzureApiConfig.model_validate(settings)
    except ValidationError as error:
        return error
    return None


@pytest.mark.parametrize("place", list(places(AzureApiConfig)), ids=".".join)
def test_no_wrong_value_is_told_in_pydantics_words(place: tuple[str, ...]) -> None:
    for value in WRONG_VALUES:
        given: Any = value
        for name in reversed(place):
            given = [{name: given}] if name == "enrollments" and given is not value else {name: given}
        (configured,) = given if isinstance(given, list) else [given]
        if (error := refusal(GOOD | configured)) is not None:
            assert {found["type"] for found in error.errors()} <= {*FAULTS, *OUR_TYPES}
            for sentence in setting_errors(error, GOOD | configured):
                assert not PYDANTICS.search(sentence), sentence


def test_no_secret_and_no_address_is_told_with_its_value() -> None:
    secrets = [name for name, setting in settings_schema()["properties"].items() if setting.get("secret")]
    for name in (*secrets, "api_url", "exports_url", "arm_url"):
        for value in (f"x://{SECRET}@h", [SECRET], {"a": SECRET}):
            assert SECRET not in " ".join(errors(**{name: value}))


def test_every_form_of_a_text_is_told_in_words() -> None:
    (sentence,) = errors(currency="yuan")
    assert sentence == (
        "Setting `currency` is wrong: 'yuan' won't do: it must be three capital letters like CNY "
        "(environment variable TAP_AZURE_EA_BILLING_CURRENCY)."
    )
    assert set(re.findall(r'"pattern": "(.*?)"', json.dumps(AzureApiConfig.model_json_schema()))) == {
        json.dumps(pattern)[1:-1] for pattern in FORMS
    }


def test_tap_and_warehouse_word_their_sentences_alike() -> None:
    warehouse, tap = (Path(str(module.__file__)).read_text(encoding="utf-8") for module in (warehouses, taps))
    assert warehouse == tap


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{\n  "api_key": "s3cret" "}', "is not a JSON object (line 2, column 23)"),
        ("5", "is not a JSON object"),
        (None, "no such file"),
    ],
)
def test_a_configuration_file_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str | None, reason: str
) -> None:
    path = tmp_path / "tap.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert CliRunner().invoke(TapAzureEABilling.cli, ["--config", str(path)]).exit_code == 1
    (told,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert f"The configuration file {path} " in told.getMessage()
    assert reason in told.getMessage()
    assert "s3cret" not in told.getMessage()
    assert told.exc_info is None


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_an_api_url_that_is_no_address_is_an_error(url: str) -> None:
    (error,) = errors(api_url=url)
    assert error.startswith("Setting `api_url` is wrong: it must be an address like https://ea.azure.cn/rest")


@pytest.mark.parametrize(
    "url", ["http://ea.azure.cn/rest", "HTTP://10.0.0.7:8080/rest", "http://127.0.0.1.example/rest"]
)
def test_a_key_is_not_sent_in_the_clear_unless_a_setting_allows_it(url: str) -> None:
    (error,) = errors(api_url=url)
    assert error == (
        "Setting `api_url` has http://, so that anybody on the way can read the key: use https://, or set `allow_http` "
        "(environment variable TAP_AZURE_EA_BILLING_ALLOW_HTTP)."
    )
    assert errors(api_url=url, allow_http=True) == errors(api_url=url, allow_http="true") == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8:81", "[::1]:8080", "localhost", "LOCALHOST:5000"])
def test_http_on_this_machine_is_allowed(host: str) -> None:
    assert errors(api_url=f"http://{host}/rest") == []


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf", "-inf", [1], {"a": 1}])
def test_a_number_that_is_none_is_one_sentence(name: str, value: Any) -> None:
    (sentence,) = errors(**{name: value})
    assert sentence.startswith(f"Setting `{name}` is wrong: ")


@pytest.mark.parametrize("name", ["max_clock_skew", "request_timeout", "request_deadline", "max_backoff"])
def test_a_time_that_no_timer_takes_is_one_sentence(name: str) -> None:
    (sentence,) = errors(**{name: 1e10})
    assert sentence.startswith(f"Setting `{name}` is wrong: 10000000000.0 is too large; the most is 1,000,000,000 ")


@pytest.mark.parametrize("name", ["MAX_RETRIES", "ALLOW_HTTP", "ENROLLMENTS", "REQUEST_TIMEOUT"])
def test_a_variable_that_is_wrong_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, value in GOOD.items():
        monkeypatch.setenv(f"TAP_AZURE_EA_BILLING_{setting.upper()}", value)
    monkeypatch.setenv(f"TAP_AZURE_EA_BILLING_{name}", "[{")
    with pytest.raises(ConfigValidationError) as caught:
        TapAzureEABilling(parse_env_config=True, clock=Clock(NOW))
    (sentence,) = caught.value.errors
    assert sentence.startswith(f"Setting `{name.lower()}` is wrong: ")


def test_a_setting_that_came_blank_has_its_default() -> None:
    blank = AzureApiConfig.model_validate(BLANK | GOOD)
    assert blank == AzureApiConfig.model_validate(GOOD)
    assert errors(**{name: "" for name in BLANK if name not in GOOD}) == []


def test_settings_in_the_environment_may_be_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BLANK:
        monkeypatch.setenv(f"TAP_AZURE_EA_BILLING_{name.upper()}", "")
    monkeypatch.setenv("TAP_AZURE_EA_BILLING_ENROLLMENT_NUMBER", "0123")
    monkeypatch.setenv("TAP_AZURE_EA_BILLING_API_KEY", "key")
    monkeypatch.setenv("TAP_AZURE_EA_BILLING_START_DATE", "2026-08")
    monkeypatch.setenv("TAP_AZURE_EA_BILLING_MAX_RETRIES", "7")
    tap = TapAzureEABilling(parse_env_config=True, clock=Clock(NOW))
    assert tap.run.settings.enrollment_number == "0123"
    assert tap.run.settings.max_retries == 7
    assert tap.run.settings.request_timeout == 800


def test_numbers_may_come_as_text_and_an_enrollment_as_a_number() -> None:
    other = {"enrollment_number": 88888888, "max_retries": "3", "max_backoff": "1.5"}
    settings = AzureApiConfig.model_validate(GOOD | other)
    assert (settings.enrollment_number, settings.max_retries, settings.max_backoff) == ("88888888", 3, 1.5)


def test_an_error_never_shows_a_key() -> None:
    given = GOOD | {"api_key": ["secret"], "enrollments": [{"api_key": "secret"}]}
    with pytest.raises(ValidationError) as caught:
        AzureApiConfig.model_validate(given)
    assert "secret" not in str(caught.value) + " ".join(setting_errors(caught.value, given))


def test_a_key_is_not_in_the_repr_of_the_settings() -> None:
    settings = AzureApiConfig.model_validate(GOOD | {"api_key": "sesame", "client_secret": "hidden"})
    assert "sesame" not in repr(settings)
    assert "hidden" not in repr(settings)


def test_every_setting_has_a_title_and_a_description_and_secrets_are_marked() -> None:
    properties = settings_schema()["properties"]
    for name, setting in properties.items():
        assert setting["title"], name
        assert setting["description"].endswith("."), name
        assert isinstance(setting["type"], str), name
    marked = {name for name, setting in properties.items() if setting.get("secret")}
    assert marked == {"api_key", "enrollments", "fernet_key", "client_secret", "access_token", "sas_token"}

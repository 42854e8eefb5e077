"""API keys: where they come from, what they say of themselves, and the console script that looks after them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from singer_sdk.exceptions import ConfigValidationError
from tap.tap_runs import ENROLLMENT, NOW, Clock, run, settings

from sandbox.api.keys import make_key
from tap_azure_ea_billing.config import AzureApiConfig
from tap_azure_ea_billing.sources.ea.api_key import ApiKey, load_keys
from tap_azure_ea_billing.sources.ea.key_command import main
from tap_azure_ea_billing.sources.secrets.found import CredentialError, decrypt, encrypt
from tap_azure_ea_billing.tap import TapAzureEABilling

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.launch import Api

VARIABLE = "TAP_AZURE_EA_BILLING_API_KEY"


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "API_KEY_FILE", "FERNET_KEY", "FERNET_KEY_FILE", "ENROLLMENT_NUMBER", "API_URL"):
        monkeypatch.delenv(f"TAP_AZURE_EA_BILLING_{name}", raising=False)


def loaded(**other: Any) -> ApiKey:
    """Return the key that these settings lead to."""
    config = AzureApiConfig.model_validate({"enrollment_number": "1", "start_date": "2026-08", **other})
    (key,) = load_keys(config).values()
    return key


def test_a_key_comes_from_its_setting_its_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_text("in-file\n")
    monkeypatch.setenv(VARIABLE, "in-environment")
    assert loaded(api_key="in-setting", api_key_file=str(path)).token == "in-setting"  # noqa: S105 - not a secret
    assert loaded(api_key_file=str(path)).token == "in-file"  # noqa: S105 - not a secret
    assert loaded().token == "in-environment"  # noqa: S105 - not a secret


def test_a_key_among_several_enrollments_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "in-environment")
    path = tmp_path / "key"
    path.write_text("in-file")
    enrollments = [
        {"enrollment_number": "1", "api_key": "first"},
        {"enrollment_number": "2", "api_key_file": str(path)},
    ]
    config = {"enrollments": enrollments, "start_date": "2026-08"}
    keys = load_keys(AzureApiConfig.model_validate(config))
    assert {number: key.token for number, key in keys.items()} == {"1": "first", "2": "in-file"}
    enrollments.append({"enrollment_number": "3"})
    with pytest.raises(CredentialError, match="Enrollment 3 has no key"):
        load_keys(AzureApiConfig.model_validate(config))


def test_an_encrypted_key_is_decrypted_with_a_key_from_setting_file_or_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fernet_key = Fernet.generate_key().decode()
    text = encrypt("secret", fernet_key)
    path = tmp_path / "fernet"
    path.write_text(fernet_key)
    assert text.startswith("fernet:")
    assert loaded(api_key=text, fernet_key=fernet_key).token == "secret"  # noqa: S105 - not a secret
    assert loaded(api_key=text, fernet_key_file=str(path)).token == "secret"  # noqa: S105 - not a secret
    monkeypatch.setenv("TAP_AZURE_EA_BILLING_FERNET_KEY", fernet_key)
    assert loaded(api_key=text).token == "secret"  # noqa: S105 - not a secret


def test_an_encrypted_key_that_cannot_be_read_is_one_sentence() -> None:
    text = encrypt("secret", Fernet.generate_key().decode())
    with pytest.raises(CredentialError, match="is encrypted: set `fernet_key`"):
        loaded(api_key=text)
    with pytest.raises(CredentialError, match="can't be decrypted with this Fernet key"):
        loaded(api_key=text, fernet_key=Fernet.generate_key().decode())
    with pytest.raises(CredentialError, match="The Fernet key is malformed"):
        loaded(api_key=text, fernet_key="short")
    assert decrypt("plain", None, "x") == "plain"


@pytest.mark.parametrize("token", ["", " ", "a b", "ключ", "a\nb"])
def test_text_that_no_key_looks_like_is_an_error(token: str) -> None:
    with pytest.raises(CredentialError, match="is empty or no key at all"):
        ApiKey.read(token, "x")


def test_a_key_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match=r"missing of setting `api_key_file` can't be read \(No such file"):
        loaded(api_key_file=str(tmp_path / "missing"))


def test_a_key_says_whose_it_is_and_when_it_expires() -> None:
    key = ApiKey.read(make_key(ENROLLMENT, 180), "x")
    assert key.enrollment == ENROLLMENT
    assert key.expires_at is not None
    assert key.days_left(key.expires_at - timedelta(days=20, hours=1)) == 20


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.bnVsbA.c", "a.eyJleHAiOiJ4In0.c", "a.eyJleHAiOjFlOTl9.c"])
def test_a_key_that_is_no_jwt_says_nothing(token: str) -> None:
    key = ApiKey.read(token, "x")
    assert (key.enrollment, key.expires_at) == (None, None)
    assert "does not say when it expires" in str(key.check("1", NOW))


def test_no_repr_shows_a_key() -> None:
    assert "secret" not in repr(ApiKey.read("secret", "x"))


def started(token: str, now_after: timedelta = timedelta(0)) -> list[str]:
    """Return the errors of a start with this key."""
    config = {"enrollment_number": ENROLLMENT, "api_key": token, "start_date": "2020-01"}
    expires_at = ApiKey.read(token, "x").expires_at
    assert expires_at is not None
    try:
        TapAzureEABilling(config=config, clock=Clock(expires_at + now_after))
    except ConfigValidationError as error:
        return error.errors
    return []


def test_an_expired_key_is_an_error_at_the_start() -> None:
    (error,) = started(make_key(ENROLLMENT, 1), timedelta(days=3))
    assert error.startswith(f"The key of enrollment {ENROLLMENT} expired on ")
    assert error.endswith(f"put it into `api_key` (environment variable {VARIABLE}).")


def test_a_key_that_expires_soon_is_a_warning_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    assert started(make_key(ENROLLMENT, 180), -timedelta(days=14)) == []
    assert "expires on" not in caplog.text
    assert started(make_key(ENROLLMENT, 180), -timedelta(days=13, hours=23)) == []
    assert "in 13 days: create a new key in the EA portal" in caplog.text


def test_a_key_for_another_enrollment_is_an_error_at_the_start() -> None:
    (error,) = started(make_key("77777777", 180), -timedelta(days=100))
    assert f"is for enrollment 77777777, not for {ENROLLMENT}" in error


def test_the_key_never_appears(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    token = api.key(ENROLLMENT)
    api.set_faults(["503@1", "429@2", "401@5"])
    output = run(settings(api))
    assert output.error
    assert len(output.records("usage_details")) > 0
    signature = token.rsplit(".", 1)[1]
    assert signature not in output.error + caplog.text + str(output.messages)
    assert signature not in TapAzureEABilling(config=settings(api), validate_config=False).catalog_json_text


def invoke(*arguments: str, text: str | None = None, **environment: str) -> tuple[int, str, str]:
    """Run the console script; return exit code, standard output and standard error."""
    variables = {f"TAP_AZURE_EA_BILLING_{name.upper()}": value for name, value in environment.items()}
    result = CliRunner().invoke(main, arguments, input=text, env=variables)
    return result.exit_code, result.stdout, result.stderr


def test_the_script_generates_and_encrypts() -> None:
    code, fernet_key, _ = invoke("generate")
    assert code == 0
    code, text, _ = invoke("encrypt", text="secret\n", fernet_key=fernet_key.strip())
    assert code == 0
    assert decrypt(text.strip(), fernet_key.strip(), "x") == "secret"


def test_the_script_does_not_encrypt_without_a_fernet_key() -> None:
    code, out, error = invoke("encrypt", text="secret\n")
    assert (code, out) == (1, "")
    assert error == "There is no Fernet key: set TAP_AZURE_EA_BILLING_FERNET_KEY or give --fernet-key-file.\n"


def test_the_script_checks_a_key_with_one_request(api: Api) -> None:
    code, out, error = invoke("check", "--api-url", api.url, api_key=api.key(ENROLLMENT))
    assert (code, error) == (0, "")
    lines = dict(line.split(None, 1) for line in out.replace("days left", "days-left").splitlines())
    assert lines["enrollment"] == ENROLLMENT
    assert lines["days-left"] in {"179", "180"}
    assert lines["request"].startswith("works, ")
    assert len(api.requests()) == 1


@pytest.mark.parametrize(
    ("days", "enrollment", "fault", "sentence"),
    [
        (-1, ENROLLMENT, "503@99", f"The key of enrollment {ENROLLMENT} expired on "),
        (9, "77777777", "503@99", f"is for enrollment {ENROLLMENT}, not for 77777777"),
        (9, ENROLLMENT, "401@1", "The API refused the key (status 401): it was revoked"),
        (9, ENROLLMENT, "503@1", "The API gave no usable answer (status 503): run again later"),
        (9, ENROLLMENT, "404@1", f"The API has nothing at enrollment {ENROLLMENT}"),
    ],
)
def test_the_script_says_in_one_sentence_why_a_key_does_not_work(
    api: Api, days: int, enrollment: str, fault: str, sentence: str
) -> None:
    api.set_faults([fault])
    token = api.key(ENROLLMENT, days)
    code, _, error = invoke("check", "--api-url", api.url, "--enrollment-number", enrollment, api_key=token)
    assert code == 1
    assert sentence in error.splitlines()[-1]
    assert token not in error


def test_the_script_says_when_there_is_no_key_or_no_server() -> None:
    assert invoke("check", "--enrollment-number", "1")[2].startswith("Enrollment 1 has no key: set `api_key`")
    code, _, error = invoke("check", "--api-url", "http://127.0.0.1:1/rest", api_key=make_key(ENROLLMENT, 180))
    assert code == 1
    assert error == "No answer from http://127.0.0.1:1/rest (ConnectionError): check the network and `api_url`.\n"
    code, _, error = invoke("check", api_key="opaque")
    assert (code, "does not say whose it is" in error) == (1, True)


def test_the_script_sends_no_key_in_the_clear() -> None:
    arguments = ("check", "--api-url", "http://192.0.2.1/rest")
    code, _, error = invoke(*arguments, api_key=make_key(ENROLLMENT, 180))
    assert (code, error.startswith("Setting `api_url` has http://")) == (1, True)

"""Azure's clouds, signing in and scopes: what the settings come to, and what is said of those that are wrong."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from azure import identity
from cryptography.fernet import Fernet
from pydantic import ValidationError
from requests import Response
from singer_sdk.exceptions import ConfigValidationError
from tap.tap_runs import NOW, Clock

from tap_azure_ea_billing.config import AzureApiConfig
from tap_azure_ea_billing.sources.azure.credentials import credential, sas_token, secrets_of
from tap_azure_ea_billing.sources.http.times import retry_after
from tap_azure_ea_billing.sources.secrets.found import encrypt
from tap_azure_ea_billing.tap import TapAzureEABilling

if TYPE_CHECKING:
    from pathlib import Path

PRINCIPAL = {"tenant_id": "my-tenant", "client_id": "my-client", "client_secret": "hush"}


def settings(**other: Any) -> AzureApiConfig:
    return AzureApiConfig.model_validate({"enrollment_number": "1", "start_date": "2026-08", **other})


def sentences(**other: Any) -> list[str]:
    """Return the sentences that a configuration ends in."""
    try:
        TapAzureEABilling(config={"enrollment_number": "1", "start_date": "2026-08", **other}, clock=Clock(NOW))
    except ConfigValidationError as error:
        return error.errors
    return []


@pytest.fixture
def logger() -> logging.Logger:
    return logging.getLogger(__name__)


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ({}, ("https://management.azure.com", "login.microsoftonline.com", "core.windows.net")),
        (
            {"cloud": "china"},
            ("https://management.chinacloudapi.cn", "login.chinacloudapi.cn", "core.chinacloudapi.cn"),
        ),
        (
            {"cloud": "usgov", "arm_url": "https://arm.example/", "storage_suffix": ".S.example"},
            ("https://arm.example", "login.microsoftonline.us", "s.example"),
        ),
        ({"arm_url": "http://127.0.0.1:8080", "authority_host": "a.example"}, ("http://127.0.0.1:8080", "a.example")),
    ],
)
def test_the_cloud_decides_the_hosts_that_no_setting_names(given: Any, hosts: tuple[str, ...]) -> None:
    cloud = settings(**given).chosen_cloud()
    assert (cloud.arm_url, cloud.authority_host, cloud.storage_suffix)[: len(hosts)] == hosts


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://management.azure.com", "it has http://, so that anybody on the way can read the token: use https://"),
        ("https://management.azure.com/path", "it must be an address like https://management.azure.com"),
        ("https://user@management.azure.com", "it must be an address like https://management.azure.com"),
        ("management.azure.com", "it must be an address like https://management.azure.com"),
    ],
)
def test_a_token_is_not_sent_in_the_clear_or_to_what_is_no_host(url: str, reason: str) -> None:
    variable = "environment variable TAP_AZURE_EA_BILLING_ARM_URL"
    assert sentences(source="arm", auth="cli", arm_url=url) == [f"Setting `arm_url` is wrong: {reason} ({variable})."]


@pytest.mark.parametrize(
    ("auth", "kind"),
    [
        ("client_secret", identity.ClientSecretCredential),
        ("managed_identity", identity.ManagedIdentityCredential),
        ("workload_identity", identity.WorkloadIdentityCredential),
        ("cli", identity.AzureCliCredential),
    ],
)
def test_each_way_to_sign_in_has_its_credential(
    auth: str, kind: type, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", "token")
    assert isinstance(credential(settings(auth=auth, cloud="china", **PRINCIPAL), logger), kind)


def test_a_token_and_a_sas_come_from_setting_file_or_environment_encrypted_or_not(
    tmp_path: Path, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fernet_key = Fernet.generate_key().decode()
    path = tmp_path / "token"
    path.write_text("in-file\n")
    monkeypatch.setenv("TAP_AZURE_EA_BILLING_ACCESS_TOKEN", "in-environment")
    secret = {"fernet_key": fernet_key, "access_token": encrypt("in-setting", fernet_key)}
    for given, token in (({}, "in-environment"), ({"access_token_file": str(path)}, "in-file"), (secret, "in-setting")):
        assert credential(settings(auth="token", **given), logger).get_token("any").token == token
    assert sas_token(settings(auth="sas", sas_token="?sv=1&sig=x")) == "sv=1&sig=x"  # noqa: S106 - not a secret
    assert secrets_of(settings(client_secret="hush", **secret)) == ("hush", "in-setting")  # noqa: S106 - not a secret


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Settings `tenant_id` (environment variable TAP_AZURE_EA_BILLING_TENANT_ID) and `client_id` (env"),
        ({"tenant_id": "t", "client_id": "c"}, "Setting `client_secret` (environment variable TAP_AZURE_EA_BILLING_CL"),
        ({**PRINCIPAL, "tenant_id": "no tenant!"}, "Setting `tenant_id` or `authority_host` is wrong (Invalid tenant"),
        (
            {"auth": "token"},
            "Setting `access_token` (environment variable TAP_AZURE_EA_BILLING_ACCESS_TOKEN) is missing",
        ),
        (
            {"auth": "token", "access_token": "a b"},
            "Setting `access_token` (environment variable TAP_AZURE_EA_BILLING_",
        ),
        (
            {"auth": "token", "access_token_file": "/missing"},
            "The file /missing of setting `access_token_file` can't be",
        ),
        ({"auth": "sas", "sas_token": "sig=x"}, "Setting `auth` is `sas`, which is for storage alone: choose how to"),
        ({"auth": "workload_identity"}, "There is no workload identity here ("),
        (
            {"auth": "cli", "cloud": "mars"},
            "Setting `cloud` is wrong: 'mars' is unknown; it must be 'public', 'china' or 'usgov'",
        ),
        ({"auth": "cli", "scope": "a/../b"}, "Setting `scope` is no scope: correct it."),
        (
            {"auth": "cli", "agreement": "mpa"},
            "Setting `agreement` is wrong: 'mpa' is unknown; it must be 'ea' or 'mca'",
        ),
    ],
)
@pytest.mark.parametrize("source", ["arm", "cost_details"])
def test_what_keeps_a_run_from_signing_in_is_said_before_the_first_request(
    source: str, given: Any, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TAP_AZURE_EA_BILLING_ACCESS_TOKEN", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    (said,) = sentences(source=source, **given)
    assert said.startswith(sentence)
    assert "hush" not in said


GUID = "0a1b2c3d-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("number", "other", "scope", "agreement"),
    [
        ("1234567", {}, "providers/Microsoft.Billing/billingAccounts/1234567", "ea"),
        (
            f"{GUID}:{GUID}_2019-05-31",
            {},
            f"providers/Microsoft.Billing/billingAccounts/{GUID}:{GUID}_2019-05-31",
            "mca",
        ),
        (GUID, {}, f"subscriptions/{GUID}", "ea"),
        (GUID, {"agreement": "mca"}, f"subscriptions/{GUID}", "mca"),
        ("/providers/Microsoft.Billing/billingAccounts/a:b/billingProfiles/P/", {}, None, "mca"),
        ("1", {"scope": "/providers/Microsoft.Billing/billingAccounts/1/departments/2"}, None, "ea"),
    ],
)
def test_the_scope_and_the_agreement_follow_from_the_form_of_the_id(
    number: str, other: Any, scope: str | None, agreement: str
) -> None:
    found = settings(enrollment_number=number, **other)
    wanted = scope or other.get("scope", number).strip("/")
    assert (found.scope_of(number), found.agreement_of(number)) == (wanted, agreement)


def test_a_scope_is_for_one_enrollment() -> None:
    both = [{"enrollment_number": "1"}, {"enrollment_number": "2"}]
    with pytest.raises(ValidationError, match="setting `scope` is for one enrollment"):
        settings(enrollment_number="", enrollments=both, scope="subscriptions/s")


def test_the_longest_of_all_waits_that_an_answer_asks_for_counts() -> None:
    now = datetime(2026, 11, 23, 6, 0, 0, tzinfo=UTC)
    response = Response()
    assert retry_after(response, now) is None
    response.headers["Retry-After"] = "5"
    response.headers["X-MS-RateLimit-Microsoft.Consumption-Tenant-Retry-After"] = "40"
    response.headers["x-ms-ratelimit-microsoft.costmanagement-qpu-retry-after"] = "soon"
    response.headers["x-ms-ratelimit-remaining-microsoft.consumption-tenant-requests"] = "900"
    assert retry_after(response, now) == 40
    response.headers["Retry-After"] = "Mon, 23 Nov 2026 06:01:30 GMT"
    assert retry_after(response, now) == 90


def test_the_ea_source_does_not_wait_for_azures_libraries() -> None:
    code = (
        "import sys, tap_azure_ea_billing.tap; print([m for m in sys.modules if m.split('.')[0] in ('azure', 'msal')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

"""The settings of Azure's clouds: which one, its hosts, and how to sign in there."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from tap_azure_ea_billing.sources.azure.clouds import CLOUDS, Cloud
from tap_azure_ea_billing.sources.forms import HOST
from tap_azure_ea_billing.sources.http.addresses import address, sends_in_the_clear
from tap_azure_ea_billing.sources.settings import SECRET, SecretSettings


class CloudSettings(SecretSettings):
    """Where Azure is, and who asks; for sources that read there."""

    cloud: Literal["public", "china", "usgov"] = Field(
        default="public",
        title="Cloud",
        description="Azure's cloud: `public`, `china` or `usgov`. It decides `arm_url`, `authority_host` and "
        "`storage_suffix` where they are not set.",
    )
    arm_url: str | None = Field(
        default=None,
        title="Azure Resource Manager's URL",
        description="Address of Azure Resource Manager, such as https://management.chinacloudapi.cn. Tokens are sent "
        "to this host only.",
    )
    authority_host: str | None = Field(
        default=None,
        title="Authority host",
        description="Host of Microsoft Entra, such as login.chinacloudapi.cn.",
        pattern=HOST,
    )
    storage_suffix: str | None = Field(
        default=None,
        title="Storage suffix",
        description="End of the hosts of storage accounts, such as core.chinacloudapi.cn.",
        pattern=HOST,
    )
    auth: Literal["client_secret", "managed_identity", "workload_identity", "cli", "token", "sas"] = Field(
        default="client_secret",
        title="Authentication",
        description=(
            "How to sign in to Azure: `client_secret` (a service principal), `managed_identity`, `workload_identity`, "
            "`cli` (whoever is signed in with `az login`), `token` (`access_token`) or, for storage alone, `sas` "
            "(`sas_token`)."
        ),
    )
    tenant_id: str | None = Field(
        default=None,
        title="Tenant",
        description="Id of the Microsoft Entra tenant. Required for `client_secret`.",
    )
    client_id: str | None = Field(
        default=None,
        title="Client",
        description="Application id of the service principal (required for `client_secret`) or of the user-assigned "
        "identity.",
    )
    client_secret: SecretStr | None = Field(
        default=None,
        title="Client secret",
        description="Secret of the service principal, or `fernet:` and the encrypted secret.",
        json_schema_extra=SECRET,
    )
    client_secret_file: str | None = Field(
        default=None,
        title="Client secret file",
        description="File that holds the client secret instead of `client_secret`.",
    )
    access_token: SecretStr | None = Field(
        default=None,
        title="Access token",
        description="Token for Azure Resource Manager where `auth` is `token`. It is valid for about an hour.",
        json_schema_extra=SECRET,
    )
    access_token_file: str | None = Field(
        default=None,
        title="Access token file",
        description="File that holds the access token instead of `access_token`. It is read again when a token is "
        "refused.",
    )
    sas_token: SecretStr | None = Field(
        default=None,
        title="SAS token",
        description="Shared access signature of the container with the exports (`sv=...&sig=...`), or `fernet:` and "
        "the encrypted one, where `auth` is `sas`.",
        json_schema_extra=SECRET,
    )
    sas_token_file: str | None = Field(
        default=None,
        title="SAS token file",
        description="File that holds the SAS token instead of `sas_token`.",
    )

    @field_validator("arm_url")
    @classmethod
    def _arm_url_is_an_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        found = address(url)
        if found is None or found.path not in {"", "/"} or "?" in url or "#" in url:
            message = "it must be an address like https://management.azure.com"
            raise ValueError(message)
        if sends_in_the_clear(url):
            message = "it has http://, so that anybody on the way can read the token: use https://"
            raise ValueError(message)
        return url.rstrip("/")

    def chosen_cloud(self) -> Cloud:
        """Return the hosts of the cloud, as far as no setting names another."""
        cloud = CLOUDS[self.cloud]
        return Cloud(
            self.arm_url or cloud.arm_url,
            cloud.arm_scope,
            self.authority_host or cloud.authority_host,
            (self.storage_suffix or cloud.storage_suffix).lower().strip("."),
        )

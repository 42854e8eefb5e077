"""Signing in to Azure: a credential of azure-core from the settings, and the tokens that it gives.

azure-identity takes half a second to import, so it is imported when a credential is made, not with the module.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tap_azure_ea_billing.sources.azure.loggers import say_no_addresses
from tap_azure_ea_billing.sources.secrets.found import CredentialError, find_clear_secret, where

if TYPE_CHECKING:
    import logging

    from azure.core.credentials import AccessToken, TokenCredential

    from tap_azure_ea_billing.sources.azure.settings import CloudSettings

_HOUR = 3600


class StaticToken:
    """A credential that has one token and no other; nobody knows how long it is valid.

    Args:
        token: The token.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401 - as in azure-core
        """Return the token, whatever it is for."""
        from azure.core.credentials import AccessToken  # noqa: PLC0415 - see the module's docstring

        del scopes
        return AccessToken(self._token, int(time.time()) + _HOUR)


def credential(settings: CloudSettings, logger: logging.Logger) -> TokenCredential:
    """Return the credential that the settings name; nobody is asked for a token yet.

    Raises:
        CredentialError: A setting is missing or a secret can't be read, or `auth` gives no tokens (`sas`).
    """
    say_no_addresses()
    logger.info("Signing in to Azure (%s) by %s.", settings.chosen_cloud().authority_host, settings.auth)
    if settings.auth == "token":
        return StaticToken(_checked(_required(settings, "access_token"), "access_token"))
    if settings.auth == "sas":
        message = (
            "Setting `auth` is `sas`, which is for storage alone: choose how to sign in to Azure Resource Manager."
        )
        raise CredentialError(message)
    if settings.auth == "client_secret":
        return _client_secret(settings)
    from azure import identity  # noqa: PLC0415 - see the module's docstring

    if settings.auth == "managed_identity":
        return identity.ManagedIdentityCredential(client_id=settings.client_id)
    if settings.auth == "cli":
        return identity.AzureCliCredential(tenant_id=settings.tenant_id or "")
    given = {name: value for name in ("tenant_id", "client_id") if (value := getattr(settings, name))}
    try:
        return identity.WorkloadIdentityCredential(authority=settings.chosen_cloud().authority_host, **given)
    except ValueError as error:  # without the variables that Kubernetes sets
        message = f"There is no workload identity here ({' '.join(str(error).split())}): choose another `auth`."
        raise CredentialError(message) from None


def sas_token(settings: CloudSettings) -> str:
    """Return the shared access signature, without a `?` before it.

    Raises:
        CredentialError: There is none, or it can't be read.
    """
    say_no_addresses()
    return _checked(_required(settings, "sas_token").removeprefix("?"), "sas_token")


def secrets_of(settings: CloudSettings) -> tuple[str, ...]:
    """Return the secrets among the settings in the clear, to be hidden in text for people.

    Raises:
        CredentialError: One can't be read.
    """
    names = ("client_secret", "access_token", "sas_token")
    return tuple(secret for name in names if (secret := find_clear_secret(settings, name)))


def _client_secret(settings: CloudSettings) -> TokenCredential:
    from azure.identity import ClientSecretCredential  # noqa: PLC0415 - see the module's docstring

    missing = [name for name in ("tenant_id", "client_id") if not getattr(settings, name)]
    if missing:
        is_one = len(missing) == 1
        what, pronoun = ("Setting", "it") if is_one else ("Settings", "them")
        named = " and ".join(map(where, missing))
        message = f"{what} {named} {'is' if is_one else 'are'} missing: set {pronoun}, or choose another `auth`."
        raise CredentialError(message)
    secret = _required(settings, "client_secret")
    try:
        return ClientSecretCredential(
            settings.tenant_id or "", settings.client_id or "", secret, authority=settings.chosen_cloud().authority_host
        )
    except ValueError as error:
        message = f"Setting `tenant_id` or `authority_host` is wrong ({' '.join(str(error).split())}): correct it."
        raise CredentialError(message) from None


def _required(settings: CloudSettings, name: str) -> str:
    secret = find_clear_secret(settings, name)
    if secret is None:
        message = (
            f"Setting {where(name)} is missing, which `auth` {settings.auth} needs: set it or `{name}_file`, or choose "
            "another `auth`."
        )
        raise CredentialError(message)
    return secret


def _checked(secret: str, name: str) -> str:
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        message = f"Setting {where(name)} doesn't hold a usable value: copy it again."
        raise CredentialError(message)
    return secret

"""Tokens for Azure Resource Manager: asked for when they are needed, and once more when one is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.sources.azure.answers import hidden, shortened
from tap_azure_ea_billing.sources.azure.credentials import credential, secrets_of

if TYPE_CHECKING:
    import logging

    from azure.core.credentials import TokenCredential

    from tap_azure_ea_billing.sources.azure.settings import CloudSettings

_ADVICE = {
    "client_secret": "check `tenant_id`, `client_id`, `client_secret` and `cloud`",
    "managed_identity": "check that this machine has the identity, and `client_id` if it has several",
    "workload_identity": "check the service account's federated credential, `tenant_id` and `client_id`",
    "cli": "sign in with `az login`",
    "token": "put a new token into `access_token` or `access_token_file`",
}


class NoTokenError(OperatorError):
    """Nobody gives a token. The sentence says who was asked, what came and what to do."""


class Tokens:
    """The tokens of one run.

    Args:
        settings: Who asks, and where.
        logger: Where signing in is reported.

    Raises:
        CredentialError: A setting is missing or wrong.
    """

    def __init__(self, settings: CloudSettings, logger: logging.Logger) -> None:
        self._settings = settings
        self._logger = logger
        self._scope = settings.chosen_cloud().arm_scope
        self._credential = credential(settings, logger)
        self._given: set[str] = set()

    @property
    def advice(self) -> str:
        """What to do when a token is refused, in words that follow a colon."""
        return _ADVICE[self._settings.auth]

    def secrets(self) -> tuple[str, ...]:
        """Return every token and secret that must not be shown."""
        return (*self._given, *secrets_of(self._settings))

    def current(self) -> str:
        """Return a token.

        Raises:
            NoTokenError: None is given.
        """
        return self._token(self._credential)

    def renewed(self, refused: str) -> str | None:
        """Return another token than the one that was refused, None if there is no other.

        A new credential knows none of the tokens that the one before it remembers.

        Raises:
            NoTokenError: None is given.
        """
        self._credential = credential(self._settings, self._logger)
        token = self._token(self._credential)
        return None if token == refused else token

    def _token(self, source: TokenCredential) -> str:
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - see `credentials`

        try:
            token = source.get_token(self._scope).token
        except AzureError as error:
            host = self._settings.chosen_cloud().authority_host
            said = shortened(hidden(" ".join(str(error).split()), secrets_of(self._settings)))
            message = (
                f"No token for Azure Resource Manager by `auth` {self._settings.auth} ({host}): {said}: {self.advice}."
            )
            raise NoTokenError(message) from None
        self._given.add(token)
        return token

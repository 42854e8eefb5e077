"""The console script `azure-ea-billing-key`: makes Fernet keys, encrypts and checks API keys; more in `api_key`.

Keys are read from files, the environment or standard input, never from arguments, which others on the machine can see.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import IO, Any

import click
import requests
from cryptography.fernet import Fernet
from pydantic import ValidationError
from typing_extensions import override

from tap_azure_ea_billing import months
from tap_azure_ea_billing.about import setting_errors
from tap_azure_ea_billing.config import AzureApiConfig
from tap_azure_ea_billing.sources.ea import answers, kinds
from tap_azure_ea_billing.sources.ea.api_key import ApiKey, load_keys
from tap_azure_ea_billing.sources.ea.client import EAClient
from tap_azure_ea_billing.sources.secrets.found import CredentialError, encrypt, find_secret
from tap_azure_ea_billing.sources.settings import ENVIRONMENT_PREFIX
from tap_azure_ea_billing.wording import counted

_DEFAULT_URL = AzureApiConfig.model_fields["api_url"].default


class _Failure(click.ClickException):
    """Ends the command with one sentence and exit code 1."""

    @override
    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentence as it is."""
        del file
        click.echo(self.message, err=True)


@click.group()
def main() -> None:
    """Look after the API key of an Azure Enterprise Agreement enrollment."""


@main.command()
def generate() -> None:
    """Print a new Fernet key, for the setting `fernet_key`."""
    click.echo(Fernet.generate_key().decode())


@main.command(name="encrypt")
@click.option("--fernet-key-file", envvar=f"{ENVIRONMENT_PREFIX}FERNET_KEY_FILE", help="File with the Fernet key.")
def encrypt_command(fernet_key_file: str | None) -> None:
    """Read an API key from standard input and print it encrypted, for the setting `api_key`.

    The Fernet key is read from a file or from the environment variable TAP_AZURE_EA_BILLING_FERNET_KEY.
    """
    token = click.prompt("API key", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    try:
        ApiKey.read(token, "standard input")
        fernet_key = find_secret("fernet_key", None, fernet_key_file)
        if not fernet_key:
            message = f"There is no Fernet key: set {ENVIRONMENT_PREFIX}FERNET_KEY or give --fernet-key-file."
            raise _Failure(message)
        click.echo(encrypt(token, fernet_key))
    except CredentialError as error:
        raise _Failure(str(error)) from None


@main.command()
@click.option("--enrollment-number", envvar=f"{ENVIRONMENT_PREFIX}ENROLLMENT_NUMBER", help="Default: the key's own.")
@click.option("--api-key-file", envvar=f"{ENVIRONMENT_PREFIX}API_KEY_FILE", help="File with the API key.")
@click.option("--fernet-key-file", envvar=f"{ENVIRONMENT_PREFIX}FERNET_KEY_FILE", help="File with the Fernet key.")
@click.option("--api-url", envvar=f"{ENVIRONMENT_PREFIX}API_URL", default=_DEFAULT_URL, show_default=True)
@click.option("--allow-http", envvar=f"{ENVIRONMENT_PREFIX}ALLOW_HTTP", is_flag=True, help="Take http:// as well.")
def check(
    *,
    enrollment_number: str | None,
    api_key_file: str | None,
    fernet_key_file: str | None,
    api_url: str,
    allow_http: bool,
) -> None:
    """Say whose an API key is and when it expires, then prove with one request that it works.

    The key is read from a file or from the environment variable TAP_AZURE_EA_BILLING_API_KEY.
    """
    now = datetime.now(UTC)
    given = {
        "enrollment_number": enrollment_number or "unknown",
        "api_key_file": api_key_file,
        "fernet_key_file": fernet_key_file,
        "api_url": api_url or _DEFAULT_URL,
        "allow_http": allow_http,
        "start_date": months.label(months.current_month(now)),
    }
    try:
        settings = AzureApiConfig.model_validate(given)
        (key,) = load_keys(settings).values()
        number = enrollment_number or key.enrollment
        if number is None:
            message = f"The key in {key.setting} does not say whose it is: give --enrollment-number."
            raise _Failure(message)
        click.echo(f"enrollment  {key.enrollment or 'not in the key'}")
        click.echo(f"expires     {key.expires_at.isoformat() if key.expires_at else 'not in the key'}")
        click.echo(f"days left   {'unknown' if key.expires_at is None else key.days_left(now)}")
        if warning := key.check(number, now):
            click.echo(warning, err=True)
    except ValidationError as error:
        raise _Failure(" ".join(setting_errors(error, given))) from None
    except CredentialError as error:
        raise _Failure(str(error)) from None
    click.echo(f"request     {_ask(settings, key, number, now)}")


def _ask(settings: AzureApiConfig, key: ApiKey, number: str, now: datetime) -> str:
    """Ask for the first page of the current month; return what came."""
    month = months.label(months.current_month(now))
    client = EAClient(settings, {number: key}, lambda: now, logging.getLogger(__name__))
    try:
        response = client.ask(number, month)
        page = answers.read_answer(response.status_code, response.content, first=True)
    except requests.RequestException as error:
        message = f"No answer from {settings.api_url} ({type(error).__name__}): {kinds.NO_ANSWER.advice}."
        raise _Failure(message) from None
    except kinds.AnswerError as error:
        refused = error.kind in {kinds.UNAUTHORIZED, kinds.FORBIDDEN}
        advice = key.refusal(now) if refused else error.kind.advice
        what = "refused the key" if refused else "gave no usable answer"
        message = f"The API {what} (status {response.status_code}): {advice}."
        raise _Failure(message) from None
    if page.kind is kinds.NOT_FOUND:
        message = f"The API has nothing at enrollment {number} for {month} (status 404): check the enrollment number."
        raise _Failure(message)
    return f"works, {counted(len(page.rows), 'row')} on the first page of {month}"

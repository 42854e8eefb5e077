"""The plugin: settings are checked at its start, the streams are named, an error becomes one sentence."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import Schema
from typing_extensions import override

from tap_azure_ea_billing.about import setting_errors, settings_schema, unknown_variables, variable_errors
from tap_azure_ea_billing.config import AzureApiConfig
from tap_azure_ea_billing.errors import OperatorError
from tap_azure_ea_billing.fields import MONTH_SCHEMA, USAGE_SCHEMA
from tap_azure_ea_billing.run import Run
from tap_azure_ea_billing.sdk import PageWriter, is_no_remark
from tap_azure_ea_billing.setting_sentences import unreadable_files
from tap_azure_ea_billing.signals import SignalExit, exit_at_signals
from tap_azure_ea_billing.sources.settings import ENVIRONMENT_PREFIX, without_blanks
from tap_azure_ea_billing.streams import BillingMonths, UsageDetails

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click
    from singer_sdk.singerlib import Catalog
    from singer_sdk.streams import Stream

    from tap_azure_ea_billing.sources.source import Clock


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class TapAzureEABilling(Tap):
    """Singer tap for the usage details of an Azure Enterprise Agreement."""

    name = "tap-azure-ea-billing"
    config_jsonschema: ClassVar[dict[str, Any]] = settings_schema()
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.DISCOVER,
        TapCapabilities.STATE,
        PluginCapabilities.ABOUT,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    message_writer_class = PageWriter

    def __init__(self, *, clock: Clock = utc_now, **plugin: Any) -> None:  # noqa: ANN401 - as in Tap
        """Check the settings, unless `validate_config` is false (discovery).

        Args:
            clock: Tells the time, UTC.
            plugin: What singer-sdk's `Tap` takes.

        Raises:
            ConfigValidationError: Settings or keys are wrong; there is a sentence for each.
        """
        validate = plugin.pop("validate_config", True)
        self.logger.addFilter(is_no_remark)
        self.run = Run(clock, self.logger)
        if plugin.get("parse_env_config"):
            _forget_blank_variables()
            if validate and (errors := variable_errors(os.environ)):
                raise ConfigValidationError(" ".join(errors), errors=errors)
        if isinstance(config := plugin.get("config"), dict):
            plugin["config"] = without_blanks(config)
        # Not validated by singer-sdk: its sentences name neither the environment variable nor what to do.
        super().__init__(validate_config=False, **plugin)
        exit_at_signals(lambda: self.run.under_way)
        if validate:
            self._check_settings()

    @property
    @override
    def input_catalog(self) -> Catalog | None:
        """The catalog that was given, with the columns that it lacks: Meltano keeps a catalog across upgrades."""
        catalog = super().input_catalog
        for name, schema in ((BillingMonths.name, MONTH_SCHEMA), (UsageDetails.name, USAGE_SCHEMA)):
            if catalog is not None and (entry := catalog.get_stream(name)):
                entry.schema.properties = {
                    **(Schema.from_dict(schema).properties or {}),
                    **(entry.schema.properties or {}),
                }
        return catalog

    @override
    def discover_streams(self) -> Sequence[Stream]:
        """Return both streams; needs no network and no settings."""
        return [BillingMonths(self, self.run), UsageDetails(self, self.run)]

    @classmethod
    @override
    def invoke(cls, **options: Any) -> None:
        """Run the tap; what stops it is one sentence in the log and exit code 1, or 128 and the number of a signal."""
        try:
            super().invoke(**options)
        except ConfigValidationError as error:
            for sentence in error.errors:
                cls.logger.error("%s", sentence)  # noqa: TRY400 - below
            sys.exit(1)
        except BrokenPipeError:
            cls.logger.error("The program that reads this tap's output has ended: see its log.")  # noqa: TRY400 - below
            _write_nothing_more()
            sys.exit(1)
        except SignalExit as stop:
            cls.logger.error("%s", stop.sentence)  # noqa: TRY400 - below
            _write_nothing_more()
            raise
        except (OperatorError, SingerSDKError) as error:
            cls.logger.error("%s", error)  # noqa: TRY400 - a traceback says nothing to the person who runs the pipeline
            sys.exit(1)

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """Read the configuration files; one that can't be read is one sentence in the log and exit code 1."""
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError) as error:
            cls.logger.error("%s", unreadable_files(value, error))  # noqa: TRY400 - as in `invoke`
            ctx.exit(1)

    def _check_settings(self) -> None:
        of_the_sdk = self.config_jsonschema["properties"].keys() - AzureApiConfig.model_fields.keys()
        for sentence in unknown_variables(os.environ, of_the_sdk):
            self.logger.warning("%s", sentence)
        # A name that begins with `_` is one of Meltano's extras, such as `_select`.
        ours = {
            name: value for name, value in self.config.items() if name not in of_the_sdk and not name.startswith("_")
        }
        try:
            errors = self.run.configure(AzureApiConfig.model_validate(ours))
        except ValidationError as error:
            errors = setting_errors(error, ours)
        if errors:
            raise ConfigValidationError(" ".join(errors), errors=errors)


def _write_nothing_more() -> None:
    """Let Python write the rest of a buffer to nobody at its end: the reader is gone, or will be."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _forget_blank_variables() -> None:
    """Take settings without a value out of the environment, where singer-sdk would try to read '' as a number."""
    for variable, value in list(os.environ.items()):
        if variable.startswith(ENVIRONMENT_PREFIX) and not value.strip():
            del os.environ[variable]

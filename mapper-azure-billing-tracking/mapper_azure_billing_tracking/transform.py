"""Runs a batch of usage rows through all rules: the staging, audit and issue frames, and their totals."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from azure_billing_warehouse.tables import AzureBillingDetail
from mapper_azure_billing_tracking.batches.columns import given_name
from mapper_azure_billing_tracking.rules import chain
from mapper_azure_billing_tracking.rules.audit import audit
from mapper_azure_billing_tracking.rules.distinct import Memory
from mapper_azure_billing_tracking.rules.findings import REJECTED, findings
from mapper_azure_billing_tracking.rules.rule import RuleContext
from mapper_azure_billing_tracking.rules.tracking import ResourceTrackingEngine
from mapper_azure_billing_tracking.stream_types import polars_schema
from mapper_azure_billing_tracking.tallies import counts, tallies

if TYPE_CHECKING:
    from collections.abc import Callable

    from mapper_azure_billing_tracking.batches.batch import UsageBatch
    from mapper_azure_billing_tracking.config import ProcessingConfig
    from mapper_azure_billing_tracking.tallies import SnapshotKey, Tally


@dataclass(frozen=True)
class Outcome:
    """What a batch of usage rows became.

    Attributes:
        staged: Columns of `stg_azure_billing_detail`.
        audit: Columns of `dq_tagging_audit`.
        issues: Columns of `dq_billing_issue`.
        tallies: What became of the rows of each snapshot.
    """

    staged: pl.DataFrame
    audit: pl.DataFrame
    issues: pl.DataFrame
    tallies: dict[SnapshotKey, Tally]


class Transform:
    """The rules, with what they remember from batch to batch.

    Args:
        config: The mapper's settings.
        clock: The time (UTC) for audit timestamps.
    """

    def __init__(
        self, config: ProcessingConfig, clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    ) -> None:
        self._config = config
        self._clock = clock
        self._engine = ResourceTrackingEngine([])
        self._memory = Memory()

    def track_with(self, engine: ResourceTrackingEngine) -> None:
        """Use an engine's patterns from the next batch on."""
        self._engine = engine

    def forget(self) -> None:
        """Free remembered results; they are recomputed when needed."""
        self._memory.forget()
        self._engine.forget()

    def __call__(self, batch: UsageBatch) -> Outcome:
        """Transform usage rows; each is in `staged` or, with its rejecting findings, in `issues`."""
        rules = chain.rules_for(RuleContext(self._config, batch.frame.schema, self._memory, self._engine))
        rows = chain.run(rules, batch.frame)
        found = findings(rows, rules, batch)
        kept = rows.lazy().filter(~pl.col(REJECTED))
        audited = audit(kept, self._clock())
        staged, audit_rows, *counted = pl.collect_all([_staging_columns(kept), audited, *counts(rows, found, audited)])
        return Outcome(staged, audit_rows, found, tallies(*counted))


def _staging_columns(rows: pl.LazyFrame) -> pl.LazyFrame:
    names = rows.collect_schema().names()
    return rows.select(
        pl.col(name if name in names else given_name(name)).cast(dtype).alias(name)
        for name, dtype in polars_schema(AzureBillingDetail).items()
    )

"""What is said of existing tables that can't hold the bill: all of them in one message, with the statements to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from azure_billing_warehouse.clickhouse import WarehouseError
from azure_billing_warehouse.schema.ddl import rename_table
from azure_billing_warehouse.tables import OWN_COLUMNS, AzureBillingDetail

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from azure_billing_warehouse.config import ClickHouseConfig


class Refusal(NamedTuple):
    """A table that can't hold the bill.

    Attributes:
        table: Its name.
        fault: What is wrong with it.
        cure: The statements that help.
        hint: What to do after them.
    """

    table: str
    fault: str
    cure: Sequence[str]
    hint: str = ""


def rename(table: str, fault: str, present: Collection[str], config: ClickHouseConfig, hint: str = "") -> Refusal:
    """Return the refusal of a table that has to make way; it gets a name that no table of the database has."""
    return Refusal(table, fault, [rename_table(table, config, _free_name(table, present))], hint)


def migration_hint(columns: Collection[str], present: Collection[str], config: ClickHouseConfig) -> str:
    """Return how the rows of a plain table of usage rows come back after it has made way; '' if it is no such table.

    Args:
        columns: The columns of the table that has the name of ours.
        present: The names of the tables in the database.
        config: The connection's configuration.
    """
    if not {"instance_id", "date", "extended_cost"} <= set(columns) or OWN_COLUMNS & set(columns):
        return ""
    aside = f"{config.database}.{_free_name(AzureBillingDetail.table, present)}"
    return (
        f"it has usage rows but no snapshots: once it is renamed, `azure-billing-warehouse migrate {aside} "
        "--enrollment NUMBER` takes its months over and leaves it unchanged (docs/migrate.md)"
    )


def refuse(refusals: Sequence[Refusal], config: ClickHouseConfig) -> None:
    """Refuse to go on if there is any refusal.

    Raises:
        WarehouseError: There is; all of them are named, and all statements.
    """
    if not refusals:
        return
    named = [(f"{config.database}.{refusal.table}", refusal) for refusal in refusals]
    faults = [(name, f"{refusal.fault}; {refusal.hint}".removesuffix("; ")) for name, refusal in named]
    if len(faults) == 1:
        ((name, fault),) = faults
        what = f"ClickHouse's table {name} can't hold the bill: {fault}"
    else:
        what = "ClickHouse's tables can't hold the bill: " + "; ".join(f"{name}: {fault}" for name, fault in faults)
    # A renamed table keeps its path in Keeper, where the new one would collide with it.
    has_local = any(refusal.table.endswith("_local") and refusal.cure[0].startswith("RENAME") for refusal in refusals)
    elsewhere = " with another keeper_path" if config.cluster and has_local else ""
    cures = "; ".join(statement for refusal in refusals for statement in refusal.cure)
    raise WarehouseError(f"{what}; run this and start again{elsewhere}: {cures}")


def _free_name(table: str, present: Collection[str]) -> str:
    name, number = f"{table}_before", 1
    while name in present:
        number += 1
        name = f"{table}_before_{number}"
    return name

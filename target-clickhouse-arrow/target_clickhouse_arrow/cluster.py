"""What a cluster requires of the loader's inserts: settings, and patience while another insert is in progress.

The mapper and the command azure-billing-warehouse send the same settings: if one of them inserted without a quorum,
the others' reads would leave those rows out.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import DatabaseError

from target_clickhouse_arrow.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clickhouse_connect.driver.client import Client

logger = logging.getLogger(__name__)

SETTINGS: dict[str, str | int] = {
    # ClickHouse refuses an asynchronous insert with a quorum that isn't parallel.
    "async_insert": 0,
    # The rows are on their shard when the insert ends, not in a queue of the host that took them.
    "distributed_foreground_insert": 1,
    # Every insert goes to a shard's first replica that answers, in the order of the cluster's configuration.
    "load_balancing": "in_order",
    "prefer_localhost_replica": 0,
}
"""Settings of a connection to any cluster."""

REPLICA_SETTINGS: dict[str, str | int] = {
    "insert_quorum": "auto",
    # Parallel inserts may each have another majority: then no replica need have them all, and reads can't tell.
    "insert_quorum_parallel": 0,
    "insert_quorum_timeout": 240_000,
    "select_sequential_consistency": 1,
}
"""Further settings where shards have replicas: a shard of one can't reach ClickHouse's majority, and needs none."""

_QUORUM_IN_PROGRESS = 286
# Seconds between attempts: a minute in all.
_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


def settings(client: Client, cluster: str) -> dict[str, str | int]:
    """Return the settings that inserts on a cluster need.

    Raises:
        LoadError: There is no such cluster, or some of its shards have replicas and others none.
    """
    counts = client.query(
        "SELECT count() FROM system.clusters WHERE cluster = {cluster:String} GROUP BY shard_num", {"cluster": cluster}
    ).result_columns
    replicas = set(counts[0]) if counts else set()
    if not replicas:
        raise LoadError(f"Setting cluster: ClickHouse knows no cluster {cluster}; system.clusters has the names.")
    if 1 in replicas and len(replicas) > 1:
        raise LoadError(
            f"Of the cluster {cluster} some shards have one replica and others more, for which no quorum fits."
        )
    return SETTINGS if replicas == {1} else SETTINGS | REPLICA_SETTINGS


def in_turn(insert: Callable[[], object], waits: Sequence[float] = _WAITS) -> None:
    """Insert, and try again while another insert into the table has not reached its quorum.

    ClickHouse refuses the second of two at once, before any row of it is written, instead of letting it wait.

    Raises:
        DatabaseError: What ClickHouse says, after the last attempt.
    """
    for wait in waits:
        try:
            insert()
        except DatabaseError as error:
            if error.code != _QUORUM_IN_PROGRESS:
                raise
            logger.info("Another insert into the table has not reached its quorum; next attempt in %.0f s.", wait)
            time.sleep(wait)
        else:
            return
    insert()

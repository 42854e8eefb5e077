"""What a cluster's hosts and replicas require of a connection, and what is wrong with them; `ddl` has the statements.

Rows reach one replica and are copied to the others in the background, so two reads in one query can differ. Therefore
inserts wait for a majority of the replicas, one insert after another, and reads see them all or end with an error.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from clickhouse_connect.driver.client import Client

SETTINGS: dict[str, str | int] = {
    # ClickHouse refuses an asynchronous insert with a quorum that isn't parallel.
    "async_insert": 0,
    # The rows are on their shard when the insert ends, not in a queue of the host that took them.
    "distributed_foreground_insert": 1,
    # Writing and reading ask a shard's replicas in the same order, the first of the cluster's configuration first.
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
_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class ClusterError(Exception):
    """What is wrong with the cluster, as the end of a sentence."""


def settings(client: Client, cluster: str) -> dict[str, str | int]:
    """Return the settings that reads and inserts on a cluster need.

    Args:
        client: A connection to any host.
        cluster: The cluster's name.

    Raises:
        ClusterError: There is no such cluster, or some of its shards have replicas and others none.
    """
    counts = client.query(
        "SELECT count() FROM system.clusters WHERE cluster = {cluster:String} GROUP BY shard_num", {"cluster": cluster}
    ).result_columns
    replicas = set(counts[0]) if counts else set()
    if not replicas:
        raise ClusterError(f"it knows no cluster {cluster}: system.clusters has the names")
    if 1 in replicas and len(replicas) > 1:
        raise ClusterError(
            f"of cluster {cluster} some shards have one replica and others more, for which no quorum fits"
        )
    return SETTINGS if replicas == {1} else SETTINGS | REPLICA_SETTINGS


def find_incomplete_hosts(client: Client, cluster: str, database: str, tables: Collection[str]) -> dict[str, list[str]]:
    """Find the tables that a host lacks and another has, by host; a host that can't be reached is skipped.

    Args:
        client: A connection to any host.
        cluster: The cluster's name.
        database: The tables' database.
        tables: The names that matter.
    """
    rows = client.query(
        "SELECT hostName() AS host, tcpPort() AS port, "
        "groupUniqArrayIf(name, database = {database:String} AND name IN {tables:Array(String)}) "
        "FROM clusterAllReplicas({cluster:String}, system.tables) GROUP BY host, port ORDER BY host, port "
        "SETTINGS skip_unavailable_shards = 1",
        {"database": database, "tables": list(tables), "cluster": cluster},
    ).result_rows
    present = {f"{host}:{port}": set(names) for host, port, names in rows}
    anywhere = set().union(*present.values())
    return {host: sorted(anywhere - names) for host, names in present.items() if anywhere - names}


def in_turn(insert: Callable[[], object], waits: Sequence[float] = _WAITS) -> None:
    """Insert, and try again while another insert into the table has not reached its quorum.

    ClickHouse refuses the second of two at once, before any row of it is written, instead of letting it wait.

    Args:
        insert: Sends the insert.
        waits: Seconds between the attempts.

    Raises:
        DatabaseError: What ClickHouse says, after the last attempt.
    """
    for wait in waits:
        try:
            insert()
        except DatabaseError as error:
            if error.code != _QUORUM_IN_PROGRESS:
                raise
            time.sleep(wait)
        else:
            return
    insert()

"""The tables on a cluster: of one host here, without Keeper, so that what needs it is read and not run.

The embedded engine is the cluster `sandbox` to itself. It has no Keeper and no port for other hosts: statements lose
ON CLUSTER, replicated engines their replicas, and nothing waits for one. All else is what a cluster would be sent.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from warehouse.loading import AUGUST, ENROLLMENT, FIRST, SECOND, SEPTEMBER, Warehouse
from warehouse.test_migrate import BILL, make_old, run
from warehouse.test_retrack import TODAYS, YESTERDAYS, load, shown, tracked_again

from azure_billing_warehouse import cluster
from azure_billing_warehouse.check.expectations import Expectations
from azure_billing_warehouse.check.verdict import check
from azure_billing_warehouse.clickhouse import WarehouseError, connect
from azure_billing_warehouse.config import ClickHouseConfig
from azure_billing_warehouse.patterns.pattern import Pattern
from azure_billing_warehouse.patterns.table import import_patterns, list_patterns
from azure_billing_warehouse.prune import prune
from azure_billing_warehouse.schema import create
from azure_billing_warehouse.schema.create import ensure_tables, statements
from azure_billing_warehouse.schema.ddl import literal
from azure_billing_warehouse.tables import ACTUAL, WAREHOUSE_TABLES
from mapper_azure_billing_tracking.config import ProcessingConfig
from mapper_azure_billing_tracking.load_guard import LoadGuard
from mapper_azure_billing_tracking.tallies import SnapshotKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from sandbox.launch import ClickHouse

_ENGINE = re.compile(r"ReplicatedReplacingMergeTree\('[^']*', '[^']*'\)")
_OF_A_TABLE = re.compile(r"SELECT engine FROM system\.tables .*d_application_tag'")


class Sent(list[str]):
    """Every statement that was sent, as it would go to a cluster."""

    def run_without_keeper(self, client: Client) -> Client:
        """The client, whose statements are kept here and run as far as one host without Keeper can."""
        command, query = client.command, client.query

        def run(statement: str, *arguments: Any, **options: Any) -> Any:
            self.append(statement)
            if statement.startswith("SYSTEM SYNC REPLICA"):
                return ""
            answer = command(
                _ENGINE.sub("ReplacingMergeTree", statement.replace(" ON CLUSTER `sandbox`", "")),
                *arguments,
                **options,
            )
            return f"Replicated{answer}" if _OF_A_TABLE.match(statement) else answer

        def read(statement: str, *arguments: Any, **options: Any) -> Any:
            self.append(statement)
            return query(statement, *arguments, **options)

        setattr(client, "command", run)  # noqa: B010 - a method of its own class, to mypy
        setattr(client, "query", read)  # noqa: B010 - likewise
        return client


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    sent = Sent()
    get_client = clickhouse_connect.get_client
    monkeypatch.setattr(
        clickhouse_connect, "get_client", lambda **options: sent.run_without_keeper(get_client(**options))
    )
    monkeypatch.setitem(cluster.SETTINGS, "prefer_localhost_replica", 1)
    return sent


@pytest.fixture
def on_cluster(config: ClickHouseConfig, sent: Sent) -> Iterator[Warehouse]:
    """A warehouse whose tables are Distributed ones over those of the only host."""
    config = config.model_copy(update={"cluster": "sandbox"})
    ensure_tables(config)
    with connect(config) as client:
        yield Warehouse(config, client)
    assert sent


@pytest.fixture
def alone(config: ClickHouseConfig) -> Iterator[Warehouse]:
    """Another warehouse, on a host that is no cluster."""
    config = config.model_copy(update={"database": f"{config.database}_alone"})
    ensure_tables(config)
    with ExitStack() as stack:
        client = stack.enter_context(connect(config))
        stack.callback(client.command, f"DROP DATABASE {config.database} SYNC")
        yield Warehouse(config, client)


def changes(sent: Sent) -> list[str]:
    """Those of the statements that change tables: each has to say that it is for the whole cluster."""
    return [statement for statement in sent if statement.startswith(("CREATE", "ALTER", "DROP", "EXCHANGE", "SYSTEM"))]


def parse(clickhouse: ClickHouse, statements: Iterable[str]) -> None:
    """Have each statement read by the parser of an engine."""
    for statement in dict.fromkeys(statements):
        assert clickhouse.execute(f"SELECT formatQuery({literal(statement)})")


def test_everything_works_through_distributed_tables_and_each_statement_is_one_for_the_parser(
    on_cluster: Warehouse, sent: Sent, clickhouse: ClickHouse
) -> None:
    config = on_cluster.config
    import_patterns(config, [Pattern(1, "old")])
    import_patterns(config, [Pattern(2, "vm1")])
    assert list_patterns(config) == [("2", "vm1")]

    guard = LoadGuard(config, ProcessingConfig(output="arrow"))
    guard.claim([SnapshotKey(ENROLLMENT, ACTUAL, AUGUST, SECOND)])
    for snapshot in (FIRST, SECOND):
        on_cluster.load([1.5, 2.5], snapshot=snapshot)
    on_cluster.stage([1.5], snapshot=SECOND)  # a row that is delivered again
    assert on_cluster.query("SELECT count() AS n, sum(extended_cost) AS cost FROM azure_billing_detail") == [
        {"n": 2, "cost": 4.0}
    ]
    assert on_cluster.scalar("SELECT count() FROM focus_cost_and_usage") == 2
    checked = check(config, expected=Expectations(last_month=AUGUST))
    assert checked is not None
    assert [month.status for month in checked.months] == ["ok"] * len(checked.months)

    assert [snapshot.snapshot_at for snapshot in prune(config, keep=1, dry_run=False)] == [FIRST]
    assert on_cluster.scalar("SELECT count() FROM stg_azure_billing_detail_local FINAL") == 2

    sent.extend(statements(config.model_copy(update={"json_type": "String"})))
    assert all("ON CLUSTER `sandbox`" in statement for statement in changes(sent))
    parse(clickhouse, sent)


def test_a_month_tracked_again_on_a_cluster_equals_a_fresh_load_on_a_single_host(
    on_cluster: Warehouse, alone: Warehouse, sent: Sent, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    load(on_cluster, tmp_path / "yesterday", YESTERDAYS)
    load(alone, tmp_path / "today", TODAYS)
    before = shown(on_cluster)
    for warehouse in (on_cluster, alone):
        ensure_tables(warehouse.config)  # counts the snapshot
    sent.clear()
    assert tracked_again(on_cluster).is_changed
    assert shown(on_cluster) == shown(alone) != before
    in_local = on_cluster.scalar("SELECT count() FROM stg_azure_billing_detail_local FINAL")
    rows = on_cluster.scalar("SELECT count() FROM azure_billing_detail")
    assert in_local == 2 * rows  # the snapshot before is there as a whole, too
    assert changes(sent)
    assert all("ON CLUSTER `sandbox`" in statement for statement in changes(sent))
    parse(clickhouse, sent)
    assert not tracked_again(on_cluster).is_changed


def test_what_is_migrated_to_a_cluster_is_what_a_single_host_gets(
    on_cluster: Warehouse, alone: Warehouse, sent: Sent, clickhouse: ClickHouse
) -> None:
    for warehouse in (on_cluster, alone):
        import_patterns(warehouse.config, [Pattern(1, "vm-2")])
    make_old(alone, [*BILL, BILL[0] | {"instance_id": " "}])
    old = f"{alone.config.database}.old_bill"
    sent.clear()
    said = run(on_cluster, table=old)
    assert not changes(sent)
    parse(clickhouse, sent)
    assert said == run(alone, table=old)
    rows, issues, _, months = (sorted(lines) for lines in shown(on_cluster))
    assert [rows, issues] == [sorted(lines) for lines in shown(alone)[:2]]
    assert (len(rows), len(issues) > 0, len(months)) == (len(BILL), True, 2)
    checked = check(on_cluster.config, expected=Expectations(first_month=AUGUST, last_month=SEPTEMBER))
    assert checked is not None
    assert [month.status for month in checked.months] == ["ok", "ok"]


def test_a_second_start_changes_nothing(on_cluster: Warehouse, sent: Sent) -> None:
    sent.clear()
    ensure_tables(on_cluster.config)
    assert not [statement for statement in sent if statement.startswith(("CREATE", "ALTER", "DROP", "RENAME"))]


def test_the_views_ask_for_consistent_reads_in_whatever_session(on_cluster: Warehouse) -> None:
    for name in ("azure_billing_snapshot", "azure_billing_detail", "azure_billing_issue", "azure_tagging_audit"):
        assert "SETTINGS select_sequential_consistency = 1" in on_cluster.scalar(f"SHOW CREATE VIEW {name}")


def test_the_settings_reach_the_statements(on_cluster: Warehouse) -> None:
    for name, value in cluster.SETTINGS.items():
        assert str(on_cluster.scalar(f"SELECT toString(getSetting('{name}'))")) in {
            str(value),
            str(bool(value)).lower(),
        }


class Replicas:
    """Answers how many replicas each shard has."""

    def __init__(self, *counts: int) -> None:
        self.result_columns = [list(counts)] if counts else []

    def query(self, *_: object) -> Replicas:
        """What the only query is answered."""
        return self


def test_shards_with_replicas_have_inserts_that_wait_for_them_and_reads_that_see_all() -> None:
    settings: dict[str, str | int] = cluster.settings(Replicas(2, 2), "c")  # type: ignore[arg-type]
    assert settings.items() >= {
        ("insert_quorum", "auto"),
        ("insert_quorum_parallel", 0),
        ("select_sequential_consistency", 1),
        ("distributed_foreground_insert", 1),
        ("async_insert", 0),
    }
    alone: dict[str, str | int] = cluster.settings(Replicas(1, 1), "c")  # type: ignore[arg-type]
    assert "insert_quorum" not in alone


@pytest.mark.parametrize(("counts", "fault"), [((), "knows no cluster c"), ((1, 2), "some shards have one replica")])
def test_a_cluster_that_no_settings_fit_is_refused(counts: tuple[int, ...], fault: str) -> None:
    with pytest.raises(cluster.ClusterError, match=fault):
        cluster.settings(Replicas(*counts), "c")  # type: ignore[arg-type]


def test_a_cluster_that_clickhouse_does_not_know_is_named(config: ClickHouseConfig) -> None:
    with pytest.raises(WarehouseError, match=f"{config.host}:{config.port}.* it knows no cluster elsewhere"):
        ensure_tables(config.model_copy(update={"cluster": "elsewhere"}))


def test_an_insert_waits_for_the_one_before_and_no_other_error_is_tried_again() -> None:
    attempts: list[int] = []

    def insert(code: int, failures: int) -> None:
        attempts.append(code)
        if len(attempts) <= failures:
            raise DatabaseError("refused", code=code)

    cluster.in_turn(lambda: insert(286, 2), waits=(0, 0, 0))
    assert len(attempts) == 3
    attempts.clear()
    with pytest.raises(DatabaseError):
        cluster.in_turn(lambda: insert(286, 3), waits=(0, 0))
    assert len(attempts) == 3
    attempts.clear()
    with pytest.raises(DatabaseError):
        cluster.in_turn(lambda: insert(60, 1), waits=(0, 0))
    assert len(attempts) == 1


class Hosts:
    """Answers which tables each host has."""

    def __init__(self, **tables: list[str]) -> None:
        self.result_rows = [(host, 9000, names) for host, names in tables.items()]

    def query(self, *_: object) -> Hosts:
        """What the only query is answered."""
        return self


def test_a_host_that_lacks_what_another_has_is_found() -> None:
    hosts: Any = Hosts(ch1=["a", "b"], ch2=["a"], ch3=[])
    assert cluster.find_incomplete_hosts(hosts, "c", "bill", ["a", "b"]) == {"ch2:9000": ["b"], "ch3:9000": ["a", "b"]}
    nowhere: Any = Hosts(ch1=[], ch2=[])
    assert cluster.find_incomplete_hosts(nowhere, "c", "bill", ["a"]) == {}


def test_create_and_the_import_of_patterns_stop_at_an_incomplete_host(
    on_cluster: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = on_cluster.config
    assert cluster.find_incomplete_hosts(on_cluster.client, "sandbox", config.database, ["azure_billing_detail"]) == {}
    import_patterns(config, [Pattern(1, "old")])
    for module in ("schema.create", "patterns.table"):
        path = f"azure_billing_warehouse.{module}.find_incomplete_hosts"
        monkeypatch.setattr(path, lambda *_: {"ch2:9000": ["d_application_tag"]})
    with pytest.raises(WarehouseError, match=r"The host ch2:9000 of cluster sandbox lacks tables .* d_application_tag"):
        ensure_tables(config)
    with pytest.raises(WarehouseError, match="The host ch2:9000 of cluster sandbox lacks the table"):
        import_patterns(config, [Pattern(2, "new")])
    assert list_patterns(config) == [("1", "old")]


def test_the_patterns_reach_every_host_before_any_shows_them(on_cluster: Warehouse, sent: Sent) -> None:
    import_patterns(on_cluster.config, [Pattern(1, "a")])
    first = [
        re.sub(r"_tag/[0-9a-f]{32}", "_tag/ID", statement) for statement in sent if "d_application_tag" in statement
    ]
    table, incoming = (f"`{on_cluster.config.database}`.`d_application_tag{end}`" for end in ("", "_incoming"))
    path = f"/clickhouse/tables/all/{on_cluster.config.database}/d_application_tag/ID"
    engine = f"ReplicatedReplacingMergeTree('{path}', '{{shard}}_{{replica}}')"
    assert first.index(f"SYSTEM SYNC REPLICA ON CLUSTER `sandbox` {incoming}") + 1 == first.index(
        f"EXCHANGE TABLES {incoming} AND {table} ON CLUSTER `sandbox`"
    )
    create = (
        f"CREATE TABLE {incoming} ON CLUSTER `sandbox` AS {table} ENGINE = {engine} ORDER BY (id, resource_tracking)"
    )
    assert create in first
    import_patterns(on_cluster.config, [Pattern(2, "b")])
    paths = re.findall(r"d_application_tag/([0-9a-f]{32})'", " ".join(sent))
    assert len(set(paths)) == 2  # dropped by and by, a table's path can't be that of the next


def test_tables_have_paths_of_their_own_in_keeper_that_hold_no_uuid() -> None:
    config = ClickHouseConfig(cluster="c", database="bill", keeper_path="/bill/{shard}")
    made = [statement for statement in statements(config) if "Replicated" in statement]
    for model, statement in zip(WAREHOUSE_TABLES, made, strict=True):
        assert (
            f"ENGINE = ReplicatedReplacingMergeTree('/bill/{{shard}}/bill/{model.table}_local', '{{replica}}')"
            in statement
        )


@pytest.mark.parametrize("path", ["/clickhouse/tables", "clickhouse/{shard}", "/a/{shard}/", "/a/{shard}/{uuid}"])
def test_a_path_by_which_shards_would_be_replicas_of_each_other_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"it must begin with /, not end with it, have \{shard\}"):
        ClickHouseConfig(keeper_path=path)


def test_a_database_of_engine_replicated_is_refused_but_in_clickhouse_cloud(config: ClickHouseConfig) -> None:
    with pytest.raises(WarehouseError, match=r"has the engine Replicated, which takes neither ON CLUSTER"):
        create._refuse_replicated_database("Replicated", "0", config)  # noqa: SLF001 - no Keeper makes one here
    create._refuse_replicated_database("Replicated", "1", config)  # noqa: SLF001 - nor a cloud

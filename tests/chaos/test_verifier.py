"""The verifier sees what it must see: a loaded bill is damaged by hand in every way, and each damage is named."""

# ruff: noqa: S608 - the queries are put together from this file's own names

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from chaos.bill import MONTHS, served
from chaos.run import PASSWORD, Ended, Site, World
from chaos.schedule import Step
from chaos.verify import ABSENT, EMPTY, Damage, History, check_losses, contents, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = ("stg_azure_billing_detail", "stg_azure_billing_month", "dq_billing_issue", "dq_tagging_audit")
MONTH = MONTHS[1]
OF_MONTH = f"billing_month = '{MONTH}-01'"
DETAIL, MONTH_ROWS, ISSUES = TABLES[:3]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A bill that was loaded twice, the second time with a month restated; its tables are copied."""
    with (
        closing(World(tmp_path_factory.mktemp("world"))) as world,
        closing(Site(world, "damaged", literal=False)) as site,
    ):
        for month in ((), (MONTH,)):
            for each in month:
                site.restate(each)
            assert site.run(Step()).codes == [0]
        for table in TABLES:
            execute(site, f"CREATE TABLE {{db}}.copy_of_{table} AS {{db}}.{table}")
            execute(site, f"INSERT INTO {{db}}.copy_of_{table} SELECT * FROM {{db}}.{table}")
        yield site


@pytest.fixture
def site(loaded: Site) -> Site:
    """The loaded bill, whole again."""
    for table in TABLES:
        execute(loaded, f"TRUNCATE TABLE {{db}}.{table}")
        execute(loaded, f"INSERT INTO {{db}}.{table} SELECT * FROM {{db}}.copy_of_{table}")
    return loaded


def execute(site: Site, sql: str) -> None:
    site.world.server.clickhouse.execute(sql.replace("{db}", site.database))


def change(site: Site, table: str, command: str, where: str) -> None:
    execute(site, f"ALTER TABLE {{db}}.{table} {command} WHERE {where} SETTINGS mutations_sync = 1")


def newest(table: str = DETAIL) -> str:
    """The newest snapshot of the month."""
    return f"{OF_MONTH} AND snapshot_at = (SELECT max(snapshot_at) FROM {{db}}.{table} WHERE {OF_MONTH})"


def known(site: Site) -> History:
    history = History()
    assert list(history.losses(site, Ended([0], ""))) == []
    return history


def test_what_was_loaded_is_what_was_served(site: Site) -> None:
    assert contents(site) == {MONTHS[0]: 0, MONTH: 1, MONTHS[2]: 0}
    assert list(check_losses(site)) == []
    assert served(MONTH, 0).published != served(MONTH, 1).published
    assert served(MONTH, 0).rejected


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        ("DELETE", "row_number = 7"),
        ("UPDATE extended_cost = extended_cost + 0.01", "row_number = 7"),
        ("UPDATE instance_id = concat(instance_id, 'x')", "row_number = 7"),
        ("UPDATE resource_tracking = 'OTHER'", "row_number = 7"),
        ('UPDATE tags_text = \'{"app": "other"}\'', "row_number = 7"),
        ("UPDATE consumed_quantity = NULL", "row_number = 7"),
        ("DELETE", "row_number > 80"),
    ],
)
def test_damaged_rows_are_seen(site: Site, damage: str, where: str) -> None:
    history = known(site)
    change(site, DETAIL, damage, f"{where} AND {newest()}")
    # A row less is no complete snapshot: the view goes back to the one before, which is a loss as well.
    assert contents(site)[MONTH] == 0 or isinstance(contents(site)[MONTH], Damage)
    (loss,) = history.losses(site, Ended([1], ""))
    assert loss.startswith(MONTH)


def test_two_costs_that_are_swapped_are_seen(site: Site) -> None:
    history = known(site)
    costs = {row["n"]: row["cost"] for row in site.query(
        f"SELECT toUInt32(row_number) AS n, extended_cost AS cost FROM {{db}}.azure_billing_detail WHERE {OF_MONTH}"
    )}  # fmt: skip
    first, second = sorted(costs, key=lambda number: costs[number])[-2:]
    one_for_other = f"UPDATE extended_cost = if(row_number = {first}, {costs[second]!r}, {costs[first]!r})"
    change(site, DETAIL, one_for_other, f"row_number IN ({first}, {second}) AND {newest()}")
    (loss,) = history.losses(site, Ended([0], ""))
    assert "2 rows" in loss or "4 are not the same" in loss


def test_a_row_that_is_there_twice_is_seen(site: Site) -> None:
    history = known(site)
    execute(
        site,
        f"INSERT INTO {{db}}.{DETAIL} SELECT * REPLACE (toUInt64(9999) AS row_number) FROM "
        f"(SELECT * FROM {{db}}.{DETAIL} WHERE row_number = 7 AND {newest()})",
    )
    change(site, MONTH_ROWS, "UPDATE staged_row_count = staged_row_count + 1, row_count = row_count + 1, "
           "received_row_count = received_row_count + 1", newest(MONTH_ROWS))  # fmt: skip
    assert isinstance(contents(site)[MONTH], Damage)
    assert len(list(history.losses(site, Ended([0], "")))) == 1


def test_half_a_month_that_is_published_as_whole_is_seen(site: Site) -> None:
    history = known(site)
    change(site, DETAIL, "DELETE", f"row_number > 80 AND {newest()}")
    (left,) = site.query(f"SELECT toUInt32(count()) AS rows FROM {{db}}.{DETAIL} FINAL WHERE {newest()}")
    change(site, MONTH_ROWS, f"UPDATE staged_row_count = {left['rows']}, rejected_row_count = 0, "
           f"row_count = {left['rows']}, received_row_count = {left['rows']}", newest(MONTH_ROWS))  # fmt: skip
    assert isinstance(contents(site)[MONTH], Damage)
    assert len(list(history.losses(site, Ended([1], "")))) == 1


def test_a_rejected_row_that_is_gone_is_seen(site: Site) -> None:
    change(site, ISSUES, "DELETE", f"severity = 'reject' AND {newest(ISSUES)}")
    assert isinstance(contents(site)[MONTH], Damage)


def test_a_month_that_vanishes_is_seen(site: Site) -> None:
    history = known(site)
    change(site, MONTH_ROWS, "DELETE", OF_MONTH)
    assert contents(site)[MONTH] == ABSENT
    (loss,) = history.losses(site, Ended([1], ""))
    assert "revision 1 was published, now it is nothing" in loss


def test_an_empty_month_in_place_of_a_full_one_is_seen_whatever_the_api_said(site: Site) -> None:
    execute(
        site,
        f"INSERT INTO {{db}}.{MONTH_ROWS} SELECT * REPLACE (snapshot_at + INTERVAL 1 DAY AS snapshot_at, "
        "toUInt64(0) AS row_count, toUInt64(0) AS received_row_count, toUInt64(0) AS staged_row_count, "
        f"toUInt64(0) AS rejected_row_count) FROM "
        f"(SELECT * FROM {{db}}.{MONTH_ROWS} WHERE {newest(MONTH_ROWS)})",
    )
    assert contents(site)[MONTH] == EMPTY
    ended = Ended([1], "", emptied={MONTH})
    assert list(History().losses(site, ended))[1:] == []  # nothing was there before: the other months are new
    history = History(before={MONTHS[0]: 0, MONTH: 1, MONTHS[2]: 0})
    (loss,) = history.losses(site, ended)
    assert "an empty month" in loss


def test_a_month_that_nobody_asked_for_is_seen(site: Site) -> None:
    history = known(site)
    execute(
        site,
        f"INSERT INTO {{db}}.{MONTH_ROWS} SELECT * REPLACE (toDate('2026-12-01') AS billing_month, "
        "toUInt64(0) AS row_count, toUInt64(0) AS received_row_count, toUInt64(0) AS staged_row_count, "
        f"toUInt64(0) AS rejected_row_count) FROM "
        f"(SELECT * FROM {{db}}.{MONTH_ROWS} WHERE {newest(MONTH_ROWS)})",
    )
    (loss,) = history.losses(site, Ended([0], ""))
    assert loss == "2026-12: a month that nobody asked for is published"


def test_a_success_that_published_nothing_new_is_seen(site: Site) -> None:
    history = known(site)
    site.restate(MONTHS[2])
    try:
        assert list(history.losses(site, Ended([1], ""))) == []  # it failed: what was before may stay
        (loss,) = history.losses(site, Ended([1, 0], ""))
        assert loss == f"{MONTHS[2]}: a run succeeded, revision 0 is published, revision 1 was served"
    finally:
        site.ledger.set_revision("88888888", MONTHS[2], 0)


def test_a_month_that_goes_back_is_seen(site: Site) -> None:
    history = known(site)
    change(site, MONTH_ROWS, "DELETE", newest(MONTH_ROWS))
    (loss,) = history.losses(site, Ended([1], ""))
    assert loss == f"{MONTH}: revision 1 was published, now it is revision 0"


@pytest.mark.parametrize(
    ("table", "damage", "where"),
    [
        (DETAIL, "UPDATE extended_cost = extended_cost + 1", "row_number = 7"),
        (DETAIL, "DELETE", "row_number = 7"),
        (ISSUES, "DELETE", "severity = 'warn'"),
        (MONTH_ROWS, "DELETE", "1"),
    ],
)
def test_check_and_the_tests_own_sql_agree_on_damage(site: Site, table: str, damage: str, where: str) -> None:
    change(site, table, damage, f"{where} AND {newest(table)}")
    assert site.warehouse("check")[0] == 1
    assert list(check_losses(site)) == []


@pytest.mark.parametrize(
    ("told", "loss"),
    [
        ({"status": "ok"}, "not whole, and passes"),
        ({"distinct_row_count": 1}, "rows: it says 1"),
        ({"extended_cost": 1.0}, "it says a cost of 1.0"),
        ({"rejected_row_count": 99}, "rejected: it says 99"),
    ],
)
def test_a_check_that_says_another_thing_than_the_tables_is_seen(
    site: Site, told: dict[str, object], loss: str
) -> None:
    change(site, DETAIL, "UPDATE extended_cost = extended_cost + 1", f"row_number = 7 AND {newest()}")
    assert any(loss in said for said in check_losses(_Misled(site, told)))


class _Misled:
    """A site whose `check` says something else of the damaged month."""

    def __init__(self, site: Site, told: dict[str, object]) -> None:
        self.query, self.revision = site.query, site.revision
        self._site, self._told = site, told

    def warehouse(self, *arguments: str) -> tuple[int, str]:
        """What `check` says, changed."""
        code, said = self._site.warehouse(*arguments)
        result = json.loads(said)
        for month in result["months"]:
            if month["billing_month"].startswith(MONTH):
                for name, value in self._told.items():
                    (month if name in month else month["snapshot"])[name] = value
        return code, json.dumps(result)


def test_a_month_that_never_came_must_not_pass(site: Site) -> None:
    for table in TABLES:
        change(site, table, "DELETE", OF_MONTH)
    silent = [loss for loss in check_losses(site) if "nothing was ever loaded" in loss]
    assert bool(silent) == (site.warehouse("check")[0] == 0)


@pytest.mark.parametrize(
    "printed", [PASSWORD, "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", "ZGVmYXVsdDpjb3JyZWN0LWhvcnNlLWJhdHRlcnk"]
)
def test_a_printed_secret_is_seen(printed: str) -> None:
    assert list(secrets_in(f"password={printed}!", PASSWORD)) == ["secret 1 was printed"]
    assert list(secrets_in("password=***", PASSWORD)) == []

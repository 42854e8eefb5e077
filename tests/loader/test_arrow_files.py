"""Arrow BATCH files end in the table or stay where they are; how they get to ClickHouse is in test_connection."""

from __future__ import annotations

import json
import time
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
import pytest
from loader.conftest import PASSWORD, arrow_file, batch, failure, schema

if TYPE_CHECKING:
    from pathlib import Path

    from loader.conftest import Loader

    from sandbox.launch import ClickHouse


def test_files_are_loaded_by_column_name_and_deleted(loader: Loader, clickhouse: ClickHouse, tmp_path: Path) -> None:
    made = clickhouse.execute("SHOW CREATE TABLE bill")
    first, second = tmp_path / "part 1.arrow", tmp_path / "part-2.arrow"
    later = pa.array([1788257472346] * 2, pa.timestamp("ms", "UTC"))
    files = [arrow_file(first), arrow_file(second, 2, snapshot_at=later, text=pa.array(["ä", None]))]
    ended = loader.run([schema(), batch(*files), {"type": "STATE", "value": {"month": 8}}])
    assert (ended.returncode, ended.stdout) == (0, '{"month": 8}\n'), ended.stderr
    rows = clickhouse.query("SELECT *, toString(cost) AS exact FROM bill ORDER BY snapshot_at, row_number")
    assert [row["id"] for row in rows] == [0, 10, 20, 0, 10], "a column that the file lacks gets its default"
    assert [row["text"] for row in rows] == [None, None, None, "ä", None]
    assert {row["exact"] for row in rows} == {"123456789012.345678901234567890123456"}
    assert [row["snapshot_at"] for row in rows[2:4]] == ["2026-09-01 10:11:12.345", "2026-09-01 10:11:12.346"]
    assert (rows[0]["billing_month"], rows[0]["tags"]) == ("2026-08-01", {"app": "x"})
    assert not first.exists()
    assert not second.exists()
    assert clickhouse.execute("SHOW CREATE TABLE bill") == made, "a SCHEMA alone changes no column"


def test_a_file_delivered_twice_counts_once(loader: Loader, clickhouse: ClickHouse, tmp_path: Path) -> None:
    files = [arrow_file(tmp_path / f"{name}.arrow", 50) for name in ("once", "again")]
    url = f"clickhouse+http://{clickhouse.user}:{quote(PASSWORD, '')}@{clickhouse.host}:{clickhouse.port}/default"
    ended = loader.run([schema(), batch(*files)], sqlalchemy_url=url, host="nowhere.invalid", password="")
    assert ended.returncode == 0, ended.stderr
    assert clickhouse.query("SELECT count() AS n, sum(row_number) AS s FROM bill FINAL") == [{"n": 50, "s": 1225}]


def test_a_file_of_many_record_batches_is_one_block(loader: Loader, clickhouse: ClickHouse, tmp_path: Path) -> None:
    rows = 1_200_000  # more than ClickHouse by itself puts into one block
    clickhouse.execute("CREATE OR REPLACE TABLE bill (id UInt64) ORDER BY id")
    path = tmp_path / "part.arrow"
    numbers = pa.table({"id": pa.array(range(rows), pa.uint64())})
    with pa.ipc.new_file(str(path), numbers.schema) as writer:
        writer.write_table(numbers, max_chunksize=100_000)
    assert loader.run([schema(), batch(path)]).returncode == 0
    blocks = "SELECT sum(rows) AS n, min(min_block_number) = max(max_block_number) AS one FROM system.parts"
    assert clickhouse.query(f"{blocks} WHERE table = 'bill' AND active") == [{"n": rows, "one": 1}]


def nulls(kind: pa.DataType) -> pa.Array:
    return pa.array([None, None, None], kind)


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        ({"extra": pa.array([1, 2, 3])}, "the table has no column extra."),
        ({"tags": nulls(pa.string())}, "3 of 3 rows have a null in tags, which is JSON"),
        ({"cost": nulls(pa.decimal128(38, 18))}, "3 of 3 rows have a null in cost, which is Decimal(76, 38)."),
        ({"tags": pa.array(["{}", "{}", "app: x"])}, "Code: 117. DB::Exception: Cannot parse JSON object"),
    ],
)
def test_a_file_that_does_not_fit_stays_and_nothing_of_it_is_loaded(
    loader: Loader, clickhouse: ClickHouse, tmp_path: Path, columns: dict[str, Any], cause: str
) -> None:
    fits, bad, after = (tmp_path / name for name in ("fits.arrow", "bad.arrow", "after.arrow"))
    ended = loader.run([schema(), batch(arrow_file(fits), arrow_file(bad, 3, **columns), arrow_file(after))])
    place = f"table bill of ClickHouse at {clickhouse.host}:{clickhouse.port}"
    assert failure(ended).startswith(f"{bad} was not loaded into {place}: {cause}")
    assert [path.exists() for path in (fits, bad, after)] == [False, True, True]
    assert clickhouse.query("SELECT count() AS n FROM bill") == [{"n": 3}]


def test_a_missing_table_is_an_error_and_is_not_made(loader: Loader, clickhouse: ClickHouse, tmp_path: Path) -> None:
    path = arrow_file(tmp_path / "part.arrow")
    ended = loader.run([schema("absent"), batch(path, stream="absent")])
    assert "into table absent of ClickHouse at" in failure(ended)
    assert "(UNKNOWN_TABLE)" in failure(ended)
    assert path.exists()
    assert clickhouse.execute("EXISTS TABLE absent") == "0\n"


def test_a_file_cut_short_is_an_error_and_stays(loader: Loader, clickhouse: ClickHouse, tmp_path: Path) -> None:
    path = arrow_file(tmp_path / "part.arrow", 1000)
    path.write_bytes(path.read_bytes()[:-100])
    assert failure(loader.run([schema(), batch(path)])).startswith(f"The Arrow file {path} can't be read: ")
    assert path.exists()
    assert clickhouse.query("SELECT count() AS n FROM bill") == [{"n": 0}]


@pytest.mark.parametrize(
    ("url", "settings", "sentence"),
    [
        ("file:///nowhere/part.arrow", {}, "The Arrow file /nowhere/part.arrow can't be read: "),
        ("s3://bucket/part.arrow", {}, "The Arrow file 's3://bucket/part.arrow' can't be loaded: only file:///"),
        ("", {"load_method": "overwrite"}, "Arrow files are appended to the table: load_method overwrite is not"),
        ("", {"driver": "native"}, "Arrow files go over ClickHouse's HTTP interface: set driver to http"),
        ("", {"password": "wrong"}, "ClickHouse at 127.0.0.1:{port} can't be used: Code: 516. DB::Exception: "),
    ],
)
def test_what_can_not_work_is_one_sentence(
    loader: Loader, tmp_path: Path, url: str, settings: dict[str, Any], sentence: str
) -> None:
    path = arrow_file(tmp_path / "part.arrow")
    ended = loader.run([schema(), batch(url or path)], **settings)
    assert failure(ended).startswith(sentence.format(**loader.settings))
    assert path.exists()


def test_only_files_below_the_batch_directory_are_loaded_and_deleted(
    loader: Loader, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    inside, outside = tmp_path / "batches", tmp_path / "elsewhere"
    for folder in (inside / "run-1", outside):
        folder.mkdir(parents=True)
    theirs = arrow_file(outside / "theirs.arrow")
    link, folder_link = inside / "link.arrow", inside / "folder"
    link.symlink_to(theirs)
    folder_link.symlink_to(outside)
    around = f"file://{inside}/../elsewhere/theirs.arrow"
    ours = arrow_file(inside / "run-1" / "ours.arrow")
    for named in (theirs, link, folder_link / "theirs.arrow", around, around.replace("..", "%2e%2e")):
        ended = loader.run([schema(), batch(ours, named)], batch_directory=str(inside))
        assert f"is not below {inside}: it is neither loaded nor deleted" in failure(ended)
        assert theirs.exists()
        assert not ours.exists()
        arrow_file(ours)
    assert clickhouse.query("SELECT count() AS n FROM bill FINAL") == [{"n": 3}]
    reached = tmp_path / "reached"
    reached.symlink_to(inside)
    assert loader.run([schema(), batch(ours)], batch_directory=str(reached)).returncode == 0
    assert not ours.exists()


def test_without_a_batch_directory_it_is_the_temporary_folder(loader: Loader, tmp_path: Path) -> None:
    path = arrow_file(tmp_path / "part.arrow")
    other = tmp_path / "temporary"
    other.mkdir()
    ended = loader.run([schema(), batch(path)], environment={"TMPDIR": str(other)})
    assert f"is not below {other}" in failure(ended)
    assert path.exists()
    assert loader.run([schema(), batch(path)], batch_directory="").returncode == 0


@pytest.mark.parametrize("noticed", [True, False], ids=["described again", "refused by the server"])
def test_a_table_altered_during_the_run_takes_new_columns_and_refuses_nulls(
    loader: Loader, clickhouse: ClickHouse, tmp_path: Path, *, noticed: bool
) -> None:
    before = arrow_file(tmp_path / "before.arrow", price=pa.array([1.5, 2.5, None]))
    wider = arrow_file(tmp_path / "wider.arrow", added=pa.array([1, 2, 3]))
    bad = arrow_file(tmp_path / "bad.arrow", price=pa.array([1.5, 2.5, None]))
    process = loader.start()
    assert process.stdin is not None
    process.stdin.write(f"{json.dumps(schema())}\n{json.dumps(batch(before))}\n")
    process.stdin.flush()
    while before.exists():
        assert process.poll() is None
        time.sleep(0.01)
    clickhouse.execute("ALTER TABLE bill DROP COLUMN price, ADD COLUMN added UInt8")
    clickhouse.execute("ALTER TABLE bill ADD COLUMN price Float64")
    files = [wider, bad] if noticed else [bad]
    out, err = process.communicate(f"{json.dumps(batch(*files))}\n", timeout=60)
    sentence = failure(CompletedProcess(process.args, process.returncode, out, err))
    assert sentence.startswith(f"{bad} was not loaded into table bill of ClickHouse at ")
    cause = "1 of 3 rows have a null in price, which is Float64." if noticed else "DB::Exception: Cannot convert NULL"
    assert cause in sentence
    loaded = {"n": 6, "s": 6} if noticed else {"n": 3, "s": 0}
    assert clickhouse.query("SELECT toUInt32(count()) AS n, toUInt32(sum(added)) AS s FROM bill") == [loaded]
    assert bad.exists()

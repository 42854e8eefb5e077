"""Cost files in our columns: every documented name, every value as it came, nothing lost."""

from __future__ import annotations

import json
import logging
from decimal import Decimal

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap.cost_files import SAMPLES, frame

from tap_azure_ea_billing.fields import USAGE_ADDED_FIELDS, USAGE_FIELDS
from tap_azure_ea_billing.sources.costs import cost_of_text, exact_sum
from tap_azure_ea_billing.sources.files.errors import FileError
from tap_azure_ea_billing.sources.files.focus_names import FOCUS_NAMES
from tap_azure_ea_billing.sources.files.frames import CostFrames, FrameBatch
from tap_azure_ea_billing.sources.files.names import (
    COLUMNS,
    COST_NAMES,
    NUMBERS,
    RECORD_COLUMNS,
    header_name,
    plain_name,
)
from tap_azure_ea_billing.sources.files.sums import sum_of_costs
from tap_azure_ea_billing.sources.unknown_fields import UnknownFields

DOCUMENTED = json.loads((SAMPLES / "azure_cost_columns.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("family", ["ea", "mca"])
def test_every_documented_column_has_a_column_or_is_known_to_have_none(family: str) -> None:
    known = COST_NAMES.known()
    for version, names in DOCUMENTED[family].items():
        assert not [name for name in names if header_name(name, known) not in known], version
        for column in ("extended_cost", "date", "instance_id", "resource_rate", "consumed_quantity", "meter_name"):
            assert {header_name(name, known) for name in names} & set(map(plain_name, COST_NAMES.columns[column]))


@pytest.mark.parametrize("dataset", ["actual", "amortized"])
def test_every_documented_focus_column_has_a_column_or_is_known_to_have_none(dataset: str) -> None:
    table = FOCUS_NAMES[dataset]
    documented = {plain_name(name) for names in DOCUMENTED["focus"].values() for name in names}
    assert documented == table.known()


def test_the_columns_are_those_of_the_record() -> None:
    assert set(COLUMNS) <= {field.name for field in (*USAGE_FIELDS, *USAGE_ADDED_FIELDS)}
    assert {field.name for field in (*USAGE_FIELDS, *USAGE_ADDED_FIELDS) if field.type == "number"} == set(NUMBERS)


@pytest.mark.parametrize(
    "header",
    [
        "Date,CostInBillingCurrency,ResourceId,BillingCurrencyCode",
        "\ufeffDATE,costinbillingcurrency,resource_id,Billing Currency Code",
        "usageDateTime,PreTaxCost,instanceId,currency",
        "date,Kosten (Cost),Ressource (InstanceName),Currency (BillingCurrency)",
    ],
)
def test_names_are_known_in_every_spelling(header: str) -> None:
    (row,) = frame(f"{header}\n10/05/2026,1.50,/r,EUR\n".encode()).to_dicts()
    assert [row[name] for name in ("date", "extended_cost", "instance_id", "billing_currency", "extra", "run_id")] == [
        *("2026-10-05", "1.50", "/r", "EUR"),
        None,
        "r",
    ]


def test_of_two_names_of_one_column_the_first_counts_and_the_other_is_in_extra() -> None:
    (row,) = frame(b"date,Cost,location,CostInBillingCurrency,resourceLocation\n2026-10-05,1,a,2,b\n").to_dicts()
    assert (row["extended_cost"], row["resource_location"]) == ("2", "b")
    assert json.loads(row["extra"]) == {"Cost": "1", "location": "a"}


def test_a_name_that_is_there_twice_loses_nothing() -> None:
    (row,) = frame(b"date,Cost,Tags,tags,x,x,\n2026-10-05,1,a,b,c,d,e\n").to_dicts()
    assert row["tags"] == "a"
    assert json.loads(row["extra"]) == {"tags": "b", "x": "c", "x (6)": "d", "column (7)": "e"}


@pytest.mark.parametrize(("header", "lacks"), [("Date,Quantity", "cost"), ("Cost,Quantity", "date")])
def test_a_file_without_a_cost_or_a_date_is_none_of_costs(header: str, lacks: str) -> None:
    with pytest.raises(FileError, match=f"no {lacks} column .* it has: {header.replace(',', ', ')}"):
        frame(f"{header}\n1,2\n".encode())


def test_fields_without_a_column_are_in_extra_unless_blank(caplog: pytest.LogCaptureFixture) -> None:
    text = 'a "quote", a \\ and\na line\u0001'
    quoted = text.replace('"', '""')
    rows = f'd1,1,O,"{quoted}",  ,M\nd2,1,O,y,,N\nd3,1,O,,,\n'
    made = frame(f"Date,Cost,OfferId,ResourceName,PlanName,Moon\n{rows}".encode())
    assert [json.loads(extra) for extra in made["extra"]] == [
        {"ResourceName": text, "Moon": "M", "OfferId": "O"},
        {"ResourceName": "y", "Moon": "N", "OfferId": "O"},
        {"OfferId": "O"},
    ]
    assert [record.message for record in caplog.records] == [
        "The source gives fields that the schema lacks; `extra` has them: Moon."
    ]
    assert frame(b"Date,Cost,OfferId\nd,1,\n")["extra"].to_list() == [None]


def test_values_travel_as_they_came_but_for_dates_and_empty_fields() -> None:
    rows = b'10/05/2026,NULL,"""a"": ""b""",  ,""\n1/2/2026,1e-7,{},"x\ny",\n2026-10-05T00:00:00Z, 1.0 ,,,\nsoon,,,,\n'
    made = frame(b"Date,Cost,Tags,Product,MeterId\n" + rows)
    assert made.select("date", "extended_cost", "tags", "product", "meter_id").rows() == [
        ("2026-10-05", "NULL", '"a": "b"', "  ", None),
        ("2026-01-02", "1e-7", "{}", "x\ny", None),
        ("2026-10-05", " 1.0 ", None, None, None),
        ("soon", None, None, None, None),
    ]


def test_json_numbers_go_out_as_numbers_and_other_text_is_unreadable() -> None:
    texts = ["1.50", "-0", "7.29E-9", "05", "1.", "+1", "x", "", "1e400", "9" * 309]
    batch = FrameBatch(frame(("Date,Cost\n" + "".join(f"2026-08-01,{text}\n" for text in texts)).encode()))
    rows = [dict(zip(RECORD_COLUMNS, row, strict=True)) for row in batch.rows()]
    costs = [row["extended_cost"] for row in rows]
    assert msgspec.json.encode(costs) == b"[1.50,-0,7.29E-9,null,null,null,null,null,null,null]"
    assert [json.loads(row["unreadable"] or "{}").get("extended_cost", "") for row in rows] == ["", "", "", *texts[3:]]
    assert batch.frame()["unreadable"].to_list() == [row["unreadable"] for row in rows]
    assert len(list(batch.rows(3))) == 3


plain = st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**9), max_value=10**9)
texts = st.one_of(
    plain.map(lambda number: f"{number:f}"),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.sampled_from(["", " 1.5 ", "1,5", "NULL", "1e400", "+7", "5.", ".5", "-.5", "-", ".", "0x1", "1_0", "\uff11"]),
    st.none(),
    st.text("0123456789.-+eE ", max_size=45),
)


@given(st.lists(texts, max_size=30))
def test_the_sum_of_a_column_is_that_of_decimals_to_the_last_digit(values: list[str | None]) -> None:
    costs = [cost for value in values if value is not None and (cost := cost_of_text(value)) is not None]
    assert sum_of_costs(pl.Series(values, dtype=pl.String)) == (exact_sum(costs, Decimal(0)), len(costs))


@pytest.mark.parametrize(
    ("fields", "charge_type", "pricing_model"),
    [
        ({"ChargeCategory": "Usage", "PricingCategory": "Standard"}, "Usage", "OnDemand"),
        ({"ChargeCategory": "Purchase", "ChargeClass": "Correction"}, "Refund", None),
        ({"ChargeCategory": "Usage", "PricingCategory": "Dynamic"}, "Usage", "Spot"),
        (
            {
                "ChargeCategory": "Usage",
                "PricingCategory": "Committed",
                "CommitmentDiscountStatus": "Unused",
                "CommitmentDiscountType": "Savings Plan",
            },
            "UnusedSavingsPlan",
            "SavingsPlan",
        ),
        (
            {
                "ChargeCategory": "Usage",
                "PricingCategory": "Commitment-Based",
                "ChargeSubcategory": "Unused Commitment",
                "CommitmentDiscountType": "Reservation",
            },
            "UnusedReservation",
            "Reservation",
        ),
    ],
)
def test_a_focus_row_has_the_words_of_the_cost_datasets_and_keeps_its_own(
    fields: dict[str, str], charge_type: str, pricing_model: str | None
) -> None:
    values = {
        "BilledCost": "0",
        "EffectiveCost": "1.5",
        "ChargePeriodStart": "2026-10-05T00:00Z",
        "SubAccountId": "/subscriptions/abc",
        "ConsumedQuantity": "",
        "PricingQuantity": "3",
        "ChargeFrequency": "Usage-Based",
        **fields,
    }
    content = f"{','.join(values)}\n{','.join(values.values())}\n".encode()
    for dataset, cost in (("actual", "0"), ("amortized", "1.5")):
        (row,) = frame(content, dataset).to_dicts()
        assert (row["extended_cost"], row["date"], row["charge_type"]) == (cost, "2026-10-05", charge_type)
        assert (row["pricing_model"], row["consumed_quantity"], row["frequency"]) == (pricing_model, "3", "UsageBased")
        assert row["subscription_guid"] == "abc"
        kept = {
            **fields,
            "SubAccountId": "/subscriptions/abc",
            "PricingQuantity": "3",
            "ChargeFrequency": "Usage-Based",
        }
        assert kept.items() <= json.loads(row["extra"]).items()


def test_a_frame_of_no_rows_has_all_columns() -> None:
    frames = CostFrames(["Date", "Cost"], COST_NAMES, "f", UnknownFields(logging.getLogger("test")), currency="EUR")
    empty = frames.frame(pl.DataFrame(schema={"0": pl.String, "1": pl.String}))
    assert (empty.height, tuple(empty.columns)) == (0, COLUMNS)
    assert frames.frame(pl.DataFrame({"0": ["d"], "1": ["1"]}))["billing_currency"].to_list() == ["EUR"]

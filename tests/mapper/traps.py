"""The literal values that the strategies choose from: traps, and plain values beside them. Nothing is drawn here."""

from __future__ import annotations

from mapper.oracle_json import Json, JsonObject, Number

ENROLLMENT_NUMBER = "88888888"
BILLING_MONTH = "2026-10-01"
SNAPSHOT_AT = "2026-11-03T02:00:00+00:00"

WORDS = (
    "crm", "CRM", "erp", "Erp", "data-lake", "aks-pool", "AKS-", "web", "prod", "sap", "a.b", "x*",
    "\u652f\u4ed8", "caf\u00e9",
)  # fmt: skip
EXOTIC_WORDS = (
    "\u0130stanbul", "stra\u00dfe", "STRASSE", "\u0391\u03a3", "\u03b1\u03c3\u03b1", "A\u212aS-", "\u017fap",
    "\ufb01n", "\u0149", "\u01c5",
)  # fmt: skip
GUIDS = ("6f1c2d3e-0000-4000-8000-00000000c4e5", "6F1C2D3E-0000-4000-8000-00000000C4E5", "crm-0001", "erp-web")
BLANKS = ("", " ", "\t\r\n", "\u00a0\u3000", "\x1c\x1f", "\x85")
NOT_BLANKS = ("\ufeff", "\u200b", "\x00", "-")

PLAIN_CHARACTERS = (
    "".join(chr(code) for code in range(0x20, 0x7F)) * 2
    + "\x00\x01\t\n\r\x1c\x7f\x85\xa0\u2028\u3000\u200b\ufeff"
    + "\u00e4\u00d6\u00e9\u00c9\u0436\u0416\u4e2d\u6587\u8d39\u7528\U0001f4b0\U0001f600\u0301"
)
EXOTIC_CHARACTERS = "\u0130\u0131\u00df\u1e9e\u017f\u212a\u03a3\u03c2\u03c3\ufb01\u0149\u01c5\u1fb3\u1f80"

NUMBERS_AS_WRITTEN = (
    "0", "-0", "0.0", "-0.0", "1", "0.10", "1.50", "7.29E-9", "7.29e-09", "-1e-9", "1E+2", "12.345678901234567",
    "0.12345678901234567", "12345678901234567", "9007199254740993", "123456789012345678901234567890",
    "0.1234567890123456789012345", "1e300", "-1e300", "1e-400", "-1e-400", "5e-324", "1" + "0" * 300,
)  # fmt: skip
"""Finite JSON numbers. None is so large that tax or a sum would overflow."""
NUMBERS_TOO_LARGE = ("1e400", "-1e400", "1" + "0" * 400)
NUMBER_TEXTS = (
    "7.29E-9", " 12.5 ", "\u00a012.5\n", "+3", "-3.0", ".5", "5.", "00012", "1e-400", "0.1234567890123456789", "1E5",
)  # fmt: skip
NOT_NUMBER_TEXTS = (
    "NaN", "nan", "Infinity", "-inf", "1_000", "0x10", "1,000.00", "1.2.3", "1e", "e5", ".", "+", "--1", "1 2", "1e400",
    "9" * 400, "\u0661\u0662", "\uff11", "\u00a55", "\u221212", "12,5", "null", "true",
)  # fmt: skip
INTEGERS = (
    Number("9223372036854775807"), Number("9223372036854775808"), Number("-9223372036854775808"),
    Number("-9223372036854775809"), Number("9007199254740993"), Number("123.0"), Number("123.5"), Number("1.5e3"),
    Number("9223372036854775807.0"), "9223372036854775807", "9223372036854775808", "123.0", "123.5", "1e3", "00123",
    "+7", " 12 ", "1 2", "-0", "0" * 30 + "5", Number("18446744073709551616"),
)  # fmt: skip

DATE_TRAPS: tuple[Json, ...] = (
    *BLANKS, None, True, Number("20261001"), JsonObject((("date", "2026-10-01"),)),
    "2026-10-01T00:00:00", "2026-10-01 23:59", "2026-10-31T23:59:59.9999999Z", "2026-10-31T23:59:59+08:00",
    "2026-10-01T00:00-0330", " 2026-10-05 ", "\u300010/5/2026", "10/05/2026", "1/2/2026", "01/2/2026", "10/9/2026",
    "2026-9-1", "2026-02-29", "2024-02-29", "13/01/2026", "31/10/2026", "00/10/2026", "10/00/2026", "2026-10-32",
    "2026-10-01T24:00", "2026-10-01T10:60", "2026-10-01T10:00:60",
    "2026-10-01T10", "2026-10-01T", "2026-10-01T10:00:00.", "2026-10-01T10:00z", "2026-10-01t10:00", "2026-10-01Z",
    "2026-10-01T10:00+08", "2026-10-01T10:00 Z", "2026-10-01  10:00", "2026/10/01", "10-01-2026", "20261001",
    "Oct 1, 2026", "10/1/26", "1970-01-01", "1969-12-31", "2149-06-06", "2149-06-07", "0001-01-01", "9999-12-31",
    "0000-10-01", "12026-10-01", "\u0662026-10-01", "2026-10-0\uff11", "2026-11-01", "2026-09-30", "2026\u201310-01",
    "NaT", "now",
)  # fmt: skip

KUBERNETES_TAGS = (
    '{"app":"crm","app.kubernetes.io-name":"x"}',
    '{"app.kubernetes.io/name":"crm","app.kubernetes.io/part-of":"sales","app":"crm","kubernetes.io/cluster/c-1":"owned"}',
    '{"aks-managed-cluster-name":"c-1","k8s-azure-service":"default/web","kubernetes.io-created-for-pvc-name":null}',
)
"""Tags that a JSON column nests by their dots, or drops for their nulls."""

UNREADABLE_OBJECTS = (
    "[1]", '["a"]', '[{"a":1}]', '"x"', "5", "true", "NaN", "nul", "NULL", "{a:1}", "{'a':'b'}", '{"a":NaN}',
    '{"a":1,}', '{"a":1', '"a":1}', '{"a":01}', '{"a":.5}', '{"a":+1}', '{"a":"\t"}', '{"a":"\x01"}', r'{"a":"\ud800"}',
    r'{"a":"\udc00\ud800"}', r'{"a":"\x41"}', '{"a":1}{}', '{"a" 1}', "app: x", '"app" : "x" "env": "y"', "{}}", "{{}}",
    '{"a":1}//', "\ufeff{}", "{\u00a0}", '{"a":Infinity}', "-", "\u200b", '{"a":"\\u12"}', '{"a":tru}', "," , '"a":1,',
    '{"a":"\\\\","b":' + "[" * 100 + "]" * 100 + "}",
    '{"a":' * 101 + "1" + "}" * 101, '"a":' + "[" * 100 + "]" * 100,
)  # fmt: skip
READABLE_OBJECTS = (
    "{}", "[]", "null", " { } ", "[\n]", " null ", "\u3000{}\u3000", '\u00a0"app":"x"\u00a0', '"app": "x","env": "y"',
    ' {"app" : "x"} ', '{"app":"x","app":"y"}', '{"app":"y","app":null}', '{"a":{"b":1,"b":2.50}}',
    '{" app":"x"}', '{"App":"x"}', '{"app":""}', '{"app":" x "}', '{"app":5.10}', '{"app":1E400}', '{"app":true}',
    '{"app":null}',
    '{"app":{"z":1,"a":[ 1, 2 ]}}', '{"app":["\\u0061"]}', r'{"app":"\u00e9\/\"\\\ud83d\udcb0"}', r'{"\u0061pp":"x"}',
    '{"app":"\U0001f4b0\u4e2d"}', '{"n":123456789012345678901234567890,"m":-0,"f":1.0}', '{"":""}', r'{"a":"\u0000"}',
    '{"a":"} , {\\" : [ ","b":"  two  spaces "}', '{"a":' * 100 + "1" + "}" * 100, '"a":' + "[" * 99 + "]" * 99,
    '{"VMName":"aks-node-0"}', '{"VMName":" ","VmName":"b"}', '{"VmName":7.0}', '{"VMName":true,"VmName":"c"}',
    '{"VMName":"a","VMName":""}', '{"vmname":"d"}', '{"VMName":{"a":1},"VmName":null}', "\r\n{\t}\n",
    *KUBERNETES_TAGS, '{"a.b":1,"a":{"b":2}}', '{"a":{},"b":[null],"c":null}',
)  # fmt: skip

SERVICES: tuple[tuple[Json, Json, Json], ...] = (
    ("Virtual Machines", "Virtual Machines Dv3 Series Windows - D2 v3 - CN East 2", "D2 v3"),
    ("Virtual Machines", "Virtual Machines Dsv5 Series - D4s v5 - CN North 3", "D4s v5"),
    ("Virtual Machines", "D2 WINDOWS", None),
    ("Virtual Machines", None, ""),
    ("virtual machines", "Windows", "100 DWUs"),
    ("Virtual Machines ", "Windows", "100 DWUs"),
    ("SQL Data Warehouse", "SQL Data Warehouse - 100 DWUs - CN East 2", "100 DWUs"),
    ("Storage", "Tables - LRS - CN East 2", "LRS Data Stored"),
    (None, None, "100 dwus"),
)
"""Meter category, product and meter name."""

PLAIN_FIELDS: dict[str, Json] = {
    "account_owner_id": "owner@example.partner.onmschina.cn",
    "account_name": "\u8ba1\u8d39\u5e10\u6237",
    "service_administrator_id": None,
    "subscription_id": Number("20260110011"),
    "subscription_name": "Production",
    "month": Number("10"),
    "day": Number("5"),
    "year": Number("2026"),
    "meter_id": "8a2f8b30-0000-4000-8000-000000000001",
    "meter_sub_category": "Dv3 Series",
    "meter_region": "CN East 2",
    "resource_location": "chinaeast2",
    "consumed_service": "Microsoft.Compute",
    "service_info1": "",
    "service_info2": "Canonical:0001-com-ubuntu-server",
    "store_service_identifier": "",
    "department_name": "IT \u90e8\u95e8",
    "cost_center": "CC-1",
    "unit_of_measure": "10 Hours",
    "billing_currency": "CNY",
    "charge_type": None,
    "extra": None,
}
OTHER_TYPES: tuple[Json, ...] = (
    None, True, False, Number("5"), Number("1.50"), [], [Number("1.0"), "a b", None],
    JsonObject(()), JsonObject((("k", "v"), ("k", Number("2.50")))),
)  # fmt: skip

PLAIN_RECORD: dict[str, Json] = {
    "enrollment_number": "88888888",
    "billing_month": "2026-10-01",
    "snapshot_at": "2026-11-03T02:00:00+00:00",
    "row_number": Number("7"),
    "date": "2026-10-05",
    "extended_cost": Number("10"),
    "instance_id": "/subscriptions/s/resourceGroups/rg/providers/p/web-1",
}
"""The fewest fields of a row without findings."""

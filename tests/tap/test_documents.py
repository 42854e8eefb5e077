"""What the tap's README says of its columns is what the tap has."""

from __future__ import annotations

from pathlib import Path

from tap_azure_ea_billing.fields import MONTH_FIELDS, USAGE_ADDED_FIELDS, USAGE_KEY_FIELDS

README = Path(__file__).parents[2] / "tap-azure-ea-billing" / "README.md"


def test_the_readme_names_every_column_that_the_tap_adds() -> None:
    text = README.read_text(encoding="utf-8")
    for column in (*USAGE_KEY_FIELDS, *USAGE_ADDED_FIELDS, *MONTH_FIELDS):
        assert f"`{column.name}`" in text

"""What an account rents, as tables to gather charges from: each resource's texts, and its numbers by level of use."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from sandbox.bill.amounts import PRICE_PLACES, QUANTITY_PLACES, amounts
from sandbox.bill.charged import PURCHASED_KINDS, Account, Texts, benefit_of, benefits, usage_texts
from sandbox.bill.columns import NUMBERS
from sandbox.bill.estate import Estate, Resource
from sandbox.bill.forms import EXACT_COST, Form, numbers_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

LEVELS = 8
"""Levels of use of a resource; on one of them it is free."""

VARIANTS = 3
"""Of a resource's ids: as they are, in lower case, with the group in upper case."""

_FREE_LEVEL = 7
_COVERED_SHARE = Decimal("0.62")


class Rented:
    """The estate of an account.

    Args:
        account: Whose it is.
        seed: Another seed makes another estate.
    """

    def __init__(self, account: Account, seed: int) -> None:
        """Draw the estate; tables are made when they are asked for."""
        self.account = account
        self.estate = Estate(account.number, seed)
        self.used = [resource for resource in self.estate.resources if resource.kind not in PURCHASED_KINDS]
        bought = benefits(self.estate)
        self._covered_by = [
            None if (place := benefit_of(resource, number)) is None else bought[place]
            for number, resource in enumerate(self.used)
        ]
        self._texts: dict[tuple[bool, bool], pl.DataFrame] = {}
        self._amounts: dict[str, list[dict[str, Decimal]]] = {}
        self._numbers: dict[tuple[str, bool, str], pl.Series] = {}

    def texts(self, form: Form) -> pl.DataFrame:
        """Return the text fields of each resource, in `VARIANTS` rows each."""
        key = form.braces, form.booleans
        if key not in self._texts:
            rows: list[Texts] = []
            for number, (resource, covered_by) in enumerate(zip(self.used, self._covered_by, strict=True)):
                texts = usage_texts(self.account, resource, number, covered_by)
                identifier, group = texts["resourceId"] or "", texts["resourceGroup"] or ""
                rows += [
                    texts,
                    {**texts, "resourceId": identifier.lower() or None},
                    {**texts, "resourceGroup": group.upper() or None},
                ]
            self._texts[key] = texts_of(rows, form)
        return self._texts[key]

    def numbers(self, dataset: str, form: Form, names: Iterable[str]) -> pl.DataFrame:
        """Return numbers of each resource at each of `LEVELS`, and the exact cost.

        Args:
            dataset: `actual` or `amortized`.
            form: How they are written.
            names: Fields, of which those that are numbers are wanted.
        """
        if dataset not in self._amounts:
            self._amounts[dataset] = [
                self._amounts_of(resource, level, dataset, covered=covered_by is not None)
                for resource, covered_by in zip(self.used, self._covered_by, strict=True)
                for level in range(LEVELS)
            ]
        columns = []
        for name in [*(name for name in names if name in NUMBERS), EXACT_COST]:
            key = dataset, form.decimals, name
            if key not in self._numbers:
                self._numbers[key] = numbers_of(self._amounts[dataset], name, form)
            columns.append(self._numbers[key])
        return pl.DataFrame(columns)

    def _amounts_of(self, resource: Resource, level: int, dataset: str, *, covered: bool) -> dict[str, Decimal]:
        share = Decimal(1) if level < LEVELS // 2 else Decimal(level * 31 % 97) / 97
        quantity = (Decimal(repr(resource.quantity)) * share).quantize(QUANTITY_PLACES)
        list_price = (Decimal(repr(resource.rate)) * Decimal("1.06")).quantize(PRICE_PLACES)
        price = Decimal(repr(resource.rate)).quantize(PRICE_PLACES) if level != _FREE_LEVEL else Decimal(0)
        if not covered:
            return amounts(quantity, price, list_price)
        unit_price = {"unitPrice": Decimal(0), "payGPrice": Decimal(0)} if self.account.agreement == "ea" else {}
        price = Decimal(0) if dataset == "actual" else (price * _COVERED_SHARE).quantize(PRICE_PLACES)
        return amounts(quantity, price, list_price) | unit_price


@lru_cache(maxsize=4)
def rented(account: Account, seed: int) -> Rented:
    """Return an account's estate, which takes a second to make."""
    return Rented(account, seed)

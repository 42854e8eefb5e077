"""The numbers of a charge, exactly: quantity, prices and costs as decimals, and the ways in which files write them.

Quantities have at most 6 places and prices 12, so that a cost, their product, fits into the 18 places of Parquet's
`DECIMAL(38, 18)` without being rounded.
"""

from __future__ import annotations

from decimal import Decimal

QUANTITY_PLACES = Decimal("1E-6")
PRICE_PLACES = Decimal("1E-12")
SHOWN_PRICE_PLACES = Decimal("1E-9")
COST_PLACES = Decimal("1E-15")
EXCHANGE_RATE = Decimal("7.1234")
"""CNY for a USD, in all months."""

_BELOW_EXPONENT = Decimal("0.001")


def amounts(quantity: Decimal, price: Decimal, list_price: Decimal, cost: Decimal | None = None) -> dict[str, Decimal]:
    """Return the numbers of a charge by field.

    The price is shown with 9 places and the cost is of all 12, as in real files, where quantity times price differs
    from the cost by about 1E-7.

    Args:
        quantity: In the meter's unit.
        price: The effective price of a unit in the billing currency; 0 for usage that a commitment has paid.
        list_price: The pay-as-you-go price of a unit.
        cost: The cost where it is not quantity times price.
    """
    cost = quantity * price if cost is None else cost
    payg_cost = (quantity * list_price).quantize(COST_PLACES)
    in_usd = (cost / EXCHANGE_RATE).quantize(COST_PLACES)
    return {
        "quantity": quantity,
        "effectivePrice": price.quantize(SHOWN_PRICE_PLACES),
        "costInBillingCurrency": cost,
        "unitPrice": price.quantize(SHOWN_PRICE_PLACES),
        "payGPrice": list_price.quantize(SHOWN_PRICE_PLACES),
        "costInPricingCurrency": in_usd,
        "costInUsd": in_usd,
        "paygCostInBillingCurrency": payg_cost,
        "paygCostInUsd": (payg_cost / EXCHANGE_RATE).quantize(COST_PLACES),
        "exchangeRatePricingToBilling": EXCHANGE_RATE,
    }


def number_text(value: Decimal, style: int) -> str:
    """Return a number as CSV files have it: mostly plain, some with many zeros at the end, small ones with an exponent.

    Args:
        value: The number, which the text gives exactly.
        style: Any number; it chooses the way.
    """
    if style % 8 == 0 and value:
        return f"{value:.22f}"
    shortest = value.normalize()
    if style % 4 == 1 and 0 < abs(value) < _BELOW_EXPONENT:
        return f"{shortest:E}"
    return f"{shortest:f}"

"""The charges of a month that are no usage: purchases and unused rests of commitments, marketplace, refund, rounding.

Actual cost has the purchases, amortized cost what they are worth by the day and the unused rest of each. Some have no
resource, subscription or meter, and all are money.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.bill.amounts import amounts
from sandbox.bill.charged import RESERVATIONS, Account, Benefit, account_texts, benefits

if TYPE_CHECKING:
    from datetime import date

    from sandbox.bill.estate import Estate

Charge = dict[str, Any]
"""Field to its value: text, None, a date or a Decimal."""

_UNUSED_EVERY = 5
_ZERO = Decimal(0)
_DEPARTMENT = "Digital Platform"


def other_charges(account: Account, estate: Estate, dataset: str, days: list[date], revision: int) -> list[Charge]:
    """Return the charges of a month up to a day that are no usage, in no order of days.

    Args:
        account: Whose they are.
        estate: What it rents.
        dataset: `actual` or `amortized`.
        days: The month's days up to the run's; those of savings plans reach to the end of the month all the same.
        revision: Another one has another rounding.
    """
    bought = benefits(estate)
    charges = []
    if dataset == "actual":
        charges += [_purchase(account, benefit, number, days[0]) for number, benefit in enumerate(bought)]
        charges.append(_refund(account, bought[0], days[min(2, len(days) - 1)]))
    else:
        for number, benefit in enumerate(bought):
            ahead = number >= RESERVATIONS and revision == 0
            charges += [
                _unused(account, benefit, number, day)
                for day in (_whole_month(days[0]) if ahead else days)
                if day.day % _UNUSED_EVERY == 0
            ]
    charges += [_marketplace(account, estate, number, days[0]) for number in range(2)]
    charges.append(_rounding(account, days[0], revision))
    return charges


def _whole_month(first: date) -> list[date]:
    return [day for number in range(31) if (day := date_after(first, number)).month == first.month]


def date_after(first: date, days: int) -> date:
    """Return the date some days later."""
    return type(first).fromordinal(first.toordinal() + days)


def _purchase(account: Account, benefit: Benefit, number: int, day: date) -> Charge:
    price = Decimal("1187.35") + number * Decimal("311.0417")
    folder = benefit.resource_id.removesuffix(benefit.guid)
    return _commitment(account, benefit, day) | amounts(Decimal(1), price, _ZERO) | {
        "benefitId": folder,
        "chargeType": "Purchase",
        "frequency": "Recurring" if number % 2 else "OneTime",
        "reservationId": benefit.order if benefit.model == "Reservation" else None,
        "resourceId": folder,
    }  # fmt: skip


def _refund(account: Account, benefit: Benefit, day: date) -> Charge:
    cost = Decimal("-153.20754716981133")
    return _commitment(account, benefit, day) | amounts(Decimal(-1), -cost, _ZERO, cost) | {
        "additionalInfo": '{"Reason":"exchange of a reservation",\n "Note":"退款, \\"partial\\""}',
        "chargeType": "Refund",
        "frequency": "OneTime",
        "resourceId": benefit.resource_id,
    }  # fmt: skip


def _unused(account: Account, benefit: Benefit, number: int, day: date) -> Charge:
    price = Decimal("0.118720547945") + number * Decimal("0.030000000001")
    quantity = Decimal(24 - day.day % 7)
    return _commitment(account, benefit, day) | amounts(quantity, price, _ZERO) | {
        "chargeType": f"Unused{benefit.model}",
        "frequency": "UsageBased",
        "resourceId": benefit.resource_id,
    }  # fmt: skip


def _commitment(account: Account, benefit: Benefit, day: date) -> Charge:
    reserved = benefit.model == "Reservation"
    return account_texts(account, _DEPARTMENT) | _period(account, day) | {
        "benefitName": benefit.name,
        "benefitId": benefit.resource_id,
        "consumedService": "Microsoft.Capacity" if reserved else "Microsoft.BillingBenefits",
        "isAzureCreditEligible": "True",
        "meterCategory": "Virtual Machines" if reserved else "Savings Plans",
        "meterName": "B2s" if reserved else "Compute Savings Plan",
        "pricingModel": benefit.model,
        "productName": benefit.product,
        "productOrderId": benefit.order,
        "productOrderName": benefit.product,
        "publisherName": "Microsoft",
        "reservationId": benefit.guid if reserved else None,
        "reservationName": benefit.name if reserved else None,
        "serviceFamily": "Compute",
        "term": "36",
        "unitOfMeasure": "1 Hour",
    }  # fmt: skip


def _marketplace(account: Account, estate: Estate, number: int, day: date) -> Charge:
    """Return a purchase whose resource id is blank, or `Unassigned` as in older files."""
    offer = {name: json.loads(text) for name, text in estate.by_kind["mkt"][number].fields.items()}
    return account_texts(account, offer["DepartmentName"]) | _period(account, day) | amounts(
        Decimal(1), Decimal("6.2") + number, _ZERO
    ) | {
        "chargeType": "Purchase",
        "frequency": "Recurring",
        "isAzureCreditEligible": "False",
        "meterId": "00000000-0000-0000-0000-000000000000",
        "planName": "Bring your own licence",
        "pricingModel": "OnDemand",
        "productName": offer["Product"],
        "publisherName": "Contoso Firewalls (simulated)",
        "publisherType": "Marketplace",
        "resourceId": "Unassigned" if number else None,
        "serviceFamily": "SaaS",
        "subscriptionId": offer["SubscriptionGuid"],
        "subscriptionName": offer["SubscriptionName"],
        "unitOfMeasure": "1 Month",
    }  # fmt: skip


def _rounding(account: Account, day: date, revision: int) -> Charge:
    cost = Decimal("-0.004217") - revision * Decimal("0.000001")
    return account_texts(account, _DEPARTMENT) | _period(account, day) | amounts(_ZERO, _ZERO, _ZERO, cost) | {
        "chargeType": "RoundingAdjustment",
        "frequency": "OneTime",
        "publisherName": "Microsoft",
    }  # fmt: skip


def _period(account: Account, day: date) -> Charge:
    if account.agreement == "ea":
        return {"date": day}
    return {
        "date": day,
        "servicePeriodStartDate": day,
        "servicePeriodEndDate": day,
        "exchangeRateDate": day.replace(day=1),
    }

"""What the charges of one resource share in today's bills: the estate's resource under the fields of cost files.

Machines are covered by reservations, others by savings plans; a few run as Spot. The catalogue's kinds `ri` and `mkt`
are no usage here: they are what `commitments` buys.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid5

from sandbox.bill.catalogue import DEPARTMENTS, NAMESPACE

if TYPE_CHECKING:
    from sandbox.bill.estate import Estate, Resource

RESERVATIONS = 4
SAVINGS_PLANS = 2
PURCHASED_KINDS = frozenset({"ri", "mkt"})
_RESERVED_KINDS = frozenset({"vm", "vmw", "aks"})
_PLANNED_KINDS = frozenset({"vmsql", "app"})
_SPOT_EVERY = 17

_FAMILIES = {
    "Virtual Machines": "Compute",
    "Storage": "Storage",
    "Bandwidth": "Networking",
    "Virtual Network": "Networking",
    "SQL Database": "Databases",
    "SQL Data Warehouse": "Databases",
    "Redis Cache": "Databases",
    "Log Analytics": "Management and Governance",
}

Texts = dict[str, str | None]


class Account(NamedTuple):
    """A billing account.

    Attributes:
        number: An EA enrollment, or the id of an MCA account (`guid:guid_date`).
        agreement: `ea` or `mca`.
        currencies: Billing currencies; with several, each billing profile has one.
    """

    number: str
    agreement: str
    currencies: tuple[str, ...] = ("CNY",)


class Benefit(NamedTuple):
    """A reservation or a savings plan: its order, itself, its name and its resource id."""

    order: str
    guid: str
    name: str
    product: str
    resource_id: str
    model: str


def benefits(estate: Estate) -> tuple[Benefit, ...]:
    """Return an estate's reservations, then its savings plans."""
    made = []
    for number in range(RESERVATIONS):
        bought = json.loads(estate.by_kind["ri"][number].fields["InstanceId"])
        order = bought.split("/")[4]
        guid = str(uuid5(NAMESPACE, f"reservation {order}"))
        product = "Reserved VM Instance, Standard_B2s, CN East 2, 3 Years"
        made.append(Benefit(order, guid, f"VM_RI_{number:02d}-21-2025", product, f"{bought}{guid}", "Reservation"))
    for number in range(SAVINGS_PLANS):
        order = str(uuid5(NAMESPACE, f"savings plan order {estate.subscriptions[number].guid}"))
        guid = str(uuid5(NAMESPACE, f"savings plan {order}"))
        path = f"/providers/Microsoft.BillingBenefits/savingsPlanOrders/{order}/savingsPlans/{guid}"
        made.append(
            Benefit(order, guid, f"Compute_SP_{number:02d}", "Compute Savings Plan, 3 Years", path, "SavingsPlan")
        )
    return tuple(made)


def benefit_of(resource: Resource, number: int) -> int | None:
    """Return which of `benefits` covers a resource, None for one paid as it is used."""
    if resource.kind in _RESERVED_KINDS and number % 3 == 0:
        return number // 3 % RESERVATIONS
    if resource.kind in _PLANNED_KINDS and number % 2 == 0:
        return RESERVATIONS + number // 2 % SAVINGS_PLANS
    return None


def usage_texts(account: Account, resource: Resource, number: int, covered_by: Benefit | None) -> Texts:
    """Return the text fields of a resource's usage; blank is None, tags have braces."""
    old = {name: json.loads(text) for name, text in resource.fields.items()}
    texts = account_texts(account, old["DepartmentName"]) | _of_agreement(account, old, number)
    location = old["ResourceLocation"]
    family = _FAMILIES.get(old["MeterCategory"], "Compute")
    texts |= {
        "additionalInfo": old["AdditionalInfo"],
        "chargeType": "Usage",
        "consumedService": old["ConsumedService"],
        "frequency": "UsageBased",
        "isAzureCreditEligible": "True",
        "location": old["MeterRegion"],
        "meterCategory": old["MeterCategory"],
        "meterId": old["MeterId"],
        "meterName": old["MeterName"],
        "meterRegion": old["MeterRegion"],
        "meterSubCategory": old["MeterSubCategory"],
        "planName": old["MeterName"].split("/")[0],
        "pricingModel": "Spot" if resource.kind == "vm" and number % _SPOT_EVERY == 1 else "OnDemand",
        "productName": old["Product"],
        "publisherName": "Microsoft",
        "resourceGroup": old["ResourceGroup"],
        "resourceId": old["InstanceId"],
        "resourceLocation": location if number % 3 else location.upper(),
        "resourceLocationNormalized": old["MeterRegion"],
        "resourceName": old["InstanceId"].rstrip("/").rpartition("/")[2],
        "resourceType": "/".join(old["InstanceId"].split("/")[6:8]),
        "serviceFamily": family,
        "serviceInfo1": old["ServiceInfo1"],
        "serviceInfo2": old["ServiceInfo2"],
        "subscriptionId": old["SubscriptionGuid"],
        "subscriptionName": old["SubscriptionName"],
        "tags": old["Tags"],
        "unitOfMeasure": old["UnitOfMeasure"],
    }
    if covered_by is not None:
        texts |= covered_texts(covered_by)
    return {name: value or None for name, value in texts.items()}


def covered_texts(benefit: Benefit) -> Texts:
    """Return what a benefit adds to the usage that it covers."""
    reserved = benefit.model == "Reservation"
    return {
        "benefitId": benefit.resource_id,
        "benefitName": benefit.name,
        "pricingModel": benefit.model,
        "productOrderId": benefit.order,
        "productOrderName": benefit.product,
        "reservationId": benefit.guid if reserved else None,
        "reservationName": benefit.name if reserved else None,
        "term": "36",
    }


def account_texts(account: Account, department: str) -> Texts:
    """Return the text fields that all charges of a department share."""
    place = [name for name, _ in DEPARTMENTS].index(department)
    currency = account.currencies[place % len(account.currencies)]
    profile = account.number if account.agreement == "ea" else f"SIM{place % len(account.currencies)}-ABCD-BG7-TGB"
    return {
        "billingAccountId": account.number,
        "billingAccountName": "Contoso (simulated)",
        "billingCurrency": currency,
        "billingProfileId": profile,
        "billingProfileName": "Contoso (simulated)" if account.agreement == "ea" else f"Contoso {currency}",
        "invoiceSectionId": f"section-{place + 1}" if account.agreement == "mca" else None,
        "invoiceSectionName": department,
        "pricingCurrency": "USD",
        "provider": "Azure",
        "publisherType": "Azure" if account.agreement == "ea" else "Microsoft",
    }


def _of_agreement(account: Account, old: dict[str, str], number: int) -> Texts:
    """Return the text fields that only one of the agreements has."""
    if account.agreement == "ea":
        return {
            "accountId": str(20000 + number % 6),
            "accountName": old["AccountName"],
            "accountOwnerId": old["AccountOwnerId"],
            "costCenter": old["CostCenter"],
            "offerId": "MS-AZR-0017P",
            "partNumber": f"AA{'ABCDEF'[number % 6]}-{10000 + number * 37 % 90000}",
        }
    return {
        "costCenter": old["CostCenter"] if number % 2 else None,
        "productId": f"DZH318Z0{uuid5(NAMESPACE, old['MeterId']).hex[:8].upper()}",
        "productOrderId": str(uuid5(NAMESPACE, f"azure plan {account.number}")),
        "productOrderName": "Azure plan",
    }

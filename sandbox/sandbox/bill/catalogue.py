"""What the simulated company rents and for whom: meters, applications, regions; constants that `estate` combines."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID, uuid5

NAMESPACE = UUID("6f0b3c56-5d3b-4b0b-9c55-0e5a7a1c2e88")
"""Names under it become GUIDs that are the same on every machine."""


class Meter(NamedTuple):
    """One priced meter, and how much of it a resource uses in a day.

    Attributes:
        kind: Short name of the resource kind; resource names begin with it.
        weight: How many of each 40 resources are of this kind.
        resource_type: Provider and type in a resource id; '' for a bare name, '-' for no id (`Unassigned`).
        rate: Price of one unit in CNY before tax.
        quantity: Typical use a day, in `unit`.
    """

    kind: str
    weight: int
    category: str
    sub_category: str
    name: str
    unit: str
    product: str
    service: str
    resource_type: str
    rate: float
    quantity: float

    @property
    def meter_id(self) -> str:
        """The meter's GUID."""
        return str(uuid5(NAMESPACE, f"meter {self.kind} {self.category} {self.name}"))


_COMPUTE = "Microsoft.Compute"
_VM = "Microsoft.Compute/virtualMachines"
_SCALE_SET = "Microsoft.Compute/virtualMachineScaleSets"
_STORAGE = "Microsoft.Storage/storageAccounts"

METERS = (
    Meter("vm", 5, "Virtual Machines", "Dv3/DSv3 Series", "D4 v3/D4s v3", "1 Hour",
          "Virtual Machines Dv3/DSv3 Series - D4 v3/D4s v3 - CN East 2", _COMPUTE, _VM, 1.534, 24.0),
    Meter("vmw", 3, "Virtual Machines", "Dv3/DSv3 Series Windows", "D8 v3/D8s v3", "1 Hour",
          "Virtual Machines Dv3/DSv3 Series Windows - D8 v3/D8s v3 - CN East 2", _COMPUTE, _VM, 5.381, 24.0),
    Meter("vmsql", 1, "Virtual Machines", "Ev4/ESv4 Series WINDOWS", "E16 v4/E16s v4", "1 Hour",
          "virtual machines ev4/esv4 series windows - e16 v4/e16s v4 - cn north 2", _COMPUTE, _VM, 11.127, 24.0),
    Meter("aks", 3, "Virtual Machines", "Dasv4 Series", "D8as v4", "1 Hour",
          "Virtual Machines Dasv4 Series - D8as v4 - CN North 3", _COMPUTE, _SCALE_SET, 2.911, 24.0),
    Meter("disk", 5, "Storage", "Premium SSD Managed Disks", "P20 LRS Disk", "1/Month",
          "Premium SSD Managed Disks - P20 LRS - CN East 2", _COMPUTE, "Microsoft.Compute/disks", 530.73, 0.032258),
    Meter("osdisk", 3, "Storage", "Standard SSD Managed Disks", "E10 LRS Disk", "1/Month",
          "Standard SSD Managed Disks - E10 LRS - CN North 2", _COMPUTE, "Microsoft.Compute/disks", 69.12, 0.032258),
    Meter("st", 3, "Storage", "Tables", "Batch Write Operations", "10K",
          "Tables - Batch Write Operations", "Microsoft.Storage", _STORAGE, 0.00267, 0.0128),
    Meter("stblob", 3, "Storage", "General Block Blob v2", "Hot LRS Data Stored", "1 GB/Month",
          "General Block Blob v2 - Hot LRS - CN East 2", "Microsoft.Storage", _STORAGE, 0.1327, 41.7),
    Meter("bw", 3, "Bandwidth", "Inter-Region", "Inter-Region Data Transfer Out", "1 GB",
          "Bandwidth Inter-Region - Data Transfer Out", _COMPUTE, _VM, 0.67, 3.1),
    Meter("vnet", 1, "Virtual Network", "Peering", "Intra-Region Ingress", "1 GB",
          "Virtual Network Peering - Intra-Region Ingress", "Microsoft.Network", "", 0.0636, 7.9),
    Meter("pip", 2, "Virtual Network", "IP Addresses", "Standard IPv4 Static Public IP", "1 Hour",
          "IP Addresses - Standard IPv4 Static Public IP", "Microsoft.Network",
          "Microsoft.Network/publicIPAddresses", 0.0304347826086957, 24.0),
    Meter("sqldb", 2, "SQL Database", "Single/Elastic Pool General Purpose - Compute Gen5", "vCore", "1 Hour",
          "SQL Database Single/Elastic Pool General Purpose - Compute Gen5 - vCore", "Microsoft.Sql",
          "Microsoft.Sql/servers/databases", 1.0123, 96.0),
    Meter("dwu", 1, "SQL Data Warehouse", "Compute Optimized Gen2", "100 DWUs", "1 Hour",
          "SQL Data Warehouse Compute Optimized Gen2 - 100 DWUs", "Microsoft.Sql",
          "Microsoft.Sql/servers/databases", 9.57, 12.0),
    Meter("app", 1, "Azure App Service", "Premium v2 Plan", "P2 v2", "1 Hour",
          "Azure App Service Premium v2 Plan - P2 v2 - CN North 2", "microsoft.web",
          "Microsoft.Web/serverFarms", 3.36, 24.0),
    Meter("log", 1, "Log Analytics", "", "Data Ingestion", "1 GB",
          "Log Analytics - Data Ingestion", "microsoft.operationalinsights",
          "Microsoft.OperationalInsights/workspaces", 17.4, 2.6),
    Meter("redis", 1, "Redis Cache", "Azure Redis Cache Premium", "P1 Cache Instance", "1 Hour",
          "Azure Redis Cache Premium - P1 Cache - CN East 2", "Microsoft.Cache", "Microsoft.Cache/Redis", 4.4, 24.0),
    Meter("ri", 1, "Virtual Machines", "BS Series", "B2s", "1 Hour",
          "Virtual Machines BS Series - B2s - CN East 2", "Microsoft.Capacity", "/", 0.3, 24.0),
    Meter("mkt", 1, "Marketplace", "WAF", "Hourly licence", "1 Hour",
          "Next Generation Firewall - BYOL", "Marketplace", "-", 6.2, 24.0),
)  # fmt: skip

APPLICATIONS = (
    "orderhub", "crm", "crm-online", "loyalty", "pos", "datalake", "saphana", "wms", "tms", "ecommerce", "payments",
    "identity", "monitoring", "devops", "hrportal", "finance-bi", "iothub", "dealer-portal", "servicedesk", "pricing",
    "forecast", "mdm", "esb", "sharepoint", "mailrelay", "vdi", "backup", "netcore", "lab", "warranty", "fleet",
    "chatbot", "vision-ai", "telematics", "edi", "archive",
)  # fmt: skip

ENVIRONMENTS = ("prd", "prd", "prd", "uat", "dev")

DEPARTMENTS = (
    ("Digital Platform", "CC-100200"), ("Data & AI", "CC-100340"), ("零售业务部", "CC-200115"),
    ("Supply Chain", "CC-300420"), ("Finance IT", "CC-400010"), ("数字化转型办公室", "  "),
    ("After Sales", "CC-500730"),
)  # fmt: skip

REGIONS = (
    ("chinaeast2", "CN East 2", "cne2"), ("chinanorth2", "CN North 2", "cnn2"), ("chinanorth3", "CN North 3", "cnn3"),
    ("chinaeast", "CN East", "cne1"), ("chinaeast3", "CN East 3", "cne3"),
)  # fmt: skip

"""Azure's clouds and their hosts.

Sources: `azure.identity.AzureAuthorityHosts`, `azure.mgmt.core.tools.get_arm_endpoints`, `az cloud show`.
"""

from __future__ import annotations

from typing import NamedTuple


class Cloud(NamedTuple):
    """The hosts of one of Azure's clouds.

    Attributes:
        arm_url: Address of Azure Resource Manager.
        arm_scope: What a token for Azure Resource Manager is asked for.
        authority_host: Host of Microsoft Entra, which gives tokens.
        storage_suffix: End of the hosts of storage accounts; a blob's is `{account}.blob.{storage_suffix}`.
    """

    arm_url: str
    arm_scope: str
    authority_host: str
    storage_suffix: str


CLOUDS = {
    "public": Cloud(
        "https://management.azure.com",
        "https://management.azure.com/.default",
        "login.microsoftonline.com",
        "core.windows.net",
    ),
    "china": Cloud(
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn/.default",
        "login.chinacloudapi.cn",
        "core.chinacloudapi.cn",
    ),
    "usgov": Cloud(
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        "login.microsoftonline.us",
        "core.usgovcloudapi.net",
    ),
}
"""By the name that the setting `cloud` has for each."""

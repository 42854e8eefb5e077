"""The program's start: imports the mapper without the garbage collector, which takes a quarter of a start's CPU time.

What is imported lives as long as the process. While a thousand modules are read, Python's collector searches them for
garbage again and again, and once more at the end; frozen objects are left out for good, and all later ones are not.
"""

from __future__ import annotations

import gc


def main() -> None:
    """Run the mapper as a command."""
    gc.disable()
    from mapper_azure_billing_tracking.mapper import MapperAzureBillingTracking  # noqa: PLC0415 - the collector is off by now

    gc.freeze()
    gc.enable()
    MapperAzureBillingTracking.cli()

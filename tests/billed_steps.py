"""A step whose work a service would do: it says what the service charged."""

from kfp.dsl import Dataset, Output

from intermodal import step
from intermodal.core.events import log_bill


@step()
def charge(words: Output[Dataset], usd: float = 0.5):
    """Say that a service has charged something.

    Args:
        words: A word.
        usd: How much.
    """
    log_bill({"jobs": 1.0, "billed_seconds": 60.0, "cost_usd": 99.0})
    log_bill({"jobs": 2.0, "billed_seconds": 120.0, "cost_usd": usd})
    with open(words.path, "w") as file:
        file.write("done")

"""A pipeline of one step that says what a service charged."""

from kfp import dsl

import billed_steps as steps
from intermodal import component


@dsl.pipeline(name="billed")
def billed(usd: float = 0.5):
    """One step."""
    component(steps.charge)(usd=usd)

"""Three steps in a row, alone in their file, so that it loads fast."""

from kfp import dsl

import toy_steps as steps
from intermodal import component

make, spread, total = component(steps.make), component(steps.spread), component(steps.total)


@dsl.pipeline(name="line")
def line(n: int = 10, files: int = 4, seconds: float = 0.0):
    """One file, a directory of files, a metric."""
    parts = spread(data=make(n=n, seconds=seconds).outputs["data"], files=files, seconds=seconds)
    total(parts=parts.outputs["parts"], seconds=seconds)

"""The pipeline of the fault tests: several steps, several files, deterministic."""

from kfp import dsl

import toy_steps as steps
from intermodal import component

make, spread, total = component(steps.make), component(steps.spread), component(steps.total)
summarise, judged = component(steps.summarise), component(steps.judged)


@dsl.pipeline(name="fan")
def fan(n: int = 10, seconds: float = 0.1):
    """Two branches that meet."""
    numbers = make(n=n, seconds=seconds).outputs["data"]
    few = spread(data=numbers, files=2, seconds=seconds).outputs["parts"]
    many = spread(data=numbers, files=5, seconds=seconds).outputs["parts"]
    one = total(parts=few, seconds=seconds).outputs["Output"]
    other = total(parts=many, seconds=seconds).outputs["Output"]
    summarise(values=[one, other], options={"scale": 2.0}, label="fan")
    judged()

"""Pipelines over the toy steps, for tests of the local runtime; `toy_pipelines.py:NAME` names one."""

from kfp import dsl

import toy_steps as steps
from intermodal import component

make, spread, total = component(steps.make), component(steps.spread), component(steps.total)
merge, say, double, add = component(steps.merge), component(steps.say), component(steps.double), component(steps.add)
note, summarise, maybe = component(steps.note), component(steps.summarise), component(steps.maybe)
judged, closing, fail = component(steps.judged), component(steps.closing), component(steps.fail)
flaky, link = component(steps.flaky), component(steps.link)


@dsl.pipeline(name="line")
def line(n: int = 10, files: int = 4, seconds: float = 0.0):
    """Three steps in a row: one file, a directory of files, a metric."""
    parts = spread(data=make(n=n, seconds=seconds).outputs["data"], files=files, seconds=seconds)
    total(parts=parts.outputs["parts"], seconds=seconds)


@dsl.pipeline(name="choose")
def choose(n: int = 3, text: str = "plain"):
    """If, Elif and Else over a value and over a text."""
    value = double(value=n).output
    with dsl.If(value > 10, name="many"):
        say(text="many")
    with dsl.Elif(value > 4, name="some"):
        say(text="some")
    with dsl.Else(name="few"):
        say(text="few")
    with dsl.If(text == "plain"):
        note(text="it is plain")
    with dsl.Else():
        note(text="it is not")


@dsl.pipeline(name="pick")
def pick(n: int = 3) -> str:
    """OneOf over artifacts and over parameters."""
    value = double(value=n).output
    with dsl.If(value > 10):
        big = make(n=20)
        big_name = say(text="big")
    with dsl.Else():
        small = make(n=2)
        small_name = say(text="small")
    total(parts=dsl.OneOf(big.outputs["data"], small.outputs["data"]))
    return dsl.OneOf(big_name.output, small_name.output)


@dsl.pipeline(name="loop")
def loop(items: list = [1, 2, 3]):  # noqa: B006  kfp's way to give a default
    """A loop, its artifacts and values collected."""
    with dsl.ParallelFor(items) as item:
        made = make(n=item)
        twice = double(value=item)
    merge(parts=dsl.Collected(made.outputs["data"]))
    add(values=dsl.Collected(twice.output))


@dsl.pipeline(name="nested")
def nested():
    """A loop in a loop."""
    with dsl.ParallelFor([1, 2]) as outer:
        first = double(value=outer)
        with dsl.ParallelFor([10, 20, 30]) as inner:
            summarise(values=[first.output, inner], options={}, label="nested")


@dsl.pipeline(name="part")
def part(n: int) -> int:
    """A part of other pipelines."""
    counted = total(parts=make(n=n).outputs["data"])
    return counted.outputs["Output"]


@dsl.pipeline(name="twice")
def twice():
    """The same part used two times, and once more inside a loop."""
    first, second = part(n=4), part(n=6)
    add(values=[first.output, second.output])
    with dsl.ParallelFor([7, 8]) as item:
        part(n=item)


@dsl.pipeline(name="guarded")
def guarded(folder: str, message: str = ""):
    """An exit handler, after success or failure."""
    with dsl.ExitHandler(closing(folder=folder)):
        said = say(text="inside")
        with dsl.If(message != ""):
            fail(message=message).after(said)


@dsl.pipeline(name="retried")
def retried(folder: str, failures: int = 2):
    """A step that is tried three times."""
    flaky(folder=folder, failures=failures).set_retry(num_retries=2, backoff_duration="0s")


@dsl.component(base_image="python:3.11")
def plain(text: str) -> str:
    """A component that knows nothing of intermodal."""
    print(f"plainly {text}")
    return text.upper()


@dsl.component(base_image="python:3.11")
def plain_files(data: dsl.Input[dsl.Dataset], copy: dsl.Output[dsl.Dataset], wrong: bool = False):
    """A component that knows nothing of intermodal, over files."""
    with open(data.path) as source, open(copy.path, "w") as target:
        target.write(source.read())
    if wrong:
        raise RuntimeError("plainly wrong")


@dsl.pipeline(name="mixed")
def mixed(wrong: bool = False):
    """Plain components before and after steps."""
    said = say(text=plain(text="abc").output)
    copied = plain_files(data=make(n=5).outputs["data"], wrong=wrong).after(said)
    total(parts=copied.outputs["copy"])


@dsl.pipeline(name="optional")
def optional(label: str = "given"):
    """Optional inputs, given and not."""
    maybe(data=make(n=1).outputs["data"], label=label)
    maybe()


@dsl.pipeline(name="values")
def values():
    """Lists and dicts as parameters."""
    summarise(values=[1, 2, 3.5], options={"scale": 2}, label="it's")
    judged()


@dsl.pipeline(name="linked")
def linked():
    """Outputs that are links."""
    link(data=make(n=3).outputs["data"])

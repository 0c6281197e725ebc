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


find, pair, undefined = component(steps.find), component(steps.pair), component(steps.undefined)


@dsl.pipeline(name="rows")
def rows():
    """A loop over lists, and in it a loop over the list at hand."""
    with dsl.ParallelFor([[1, 2], [3, 4, 5]]) as row:
        with dsl.ParallelFor(row) as cell:
            pair(first=cell, row=row)


@dsl.pipeline(name="fields")
def fields(items: list = [{"a": 1, "inner": [1, 2]}, {"a": 2, "inner": [3]}]):  # noqa: B006
    """A loop over mappings, and in it a loop over one of their fields."""
    with dsl.ParallelFor(items) as item:
        with dsl.ParallelFor(item.inner) as cell:
            pair(first=cell, second=item.a)


@dsl.pipeline(name="named")
def named(text: str = "it's"):
    """Loops and conditions over outputs that have names of their own."""
    found = find(text=text)
    with dsl.ParallelFor(found.outputs["items"]) as item:
        with dsl.If(found.outputs["rate"] > 0.25):
            pair(first=item, second=found.outputs["count"])
    with dsl.If(found.outputs["rate"] > 1):
        say(text="never")
    with dsl.If(found.outputs["text"] == "plain"):
        note(text="plain")
    with dsl.Else():
        note(text="other")


@dsl.pipeline(name="crossed")
def crossed(outer: list[int] = [1, 2], inner: list[int] = [10, 20]):  # noqa: B006
    """Two loops over parameters; the body sees an earlier output, the outer item and its own."""
    twice_five = double(value=5)
    with dsl.ParallelFor(outer) as one:
        with dsl.ParallelFor(inner) as other:
            pair(first=one, second=other)
            pair(first=twice_five.output, second=other)
            with dsl.If(one > 1):
                double(value=other)


@dsl.pipeline(name="pieced")
def pieced():
    """A text pieced together from outputs."""
    say(text=f"{say(text='a').output} and {double(value=3).output}")


@dsl.pipeline(name="nothing-to-do")
def nothing_to_do(items: list[int] = []):  # noqa: B006
    """A loop without items."""
    with dsl.ParallelFor(items) as item:
        double(value=item)
    double(value=1)


@dsl.pipeline(name="broken-loop")
def broken_loop():
    """A loop of which one iteration fails."""
    with dsl.ParallelFor([1, 2, 3]) as item:
        value = double(value=item)
        with dsl.If(value.output == 4):
            fail(message="the second")


@dsl.pipeline(name="careless")
def careless():
    """A step that goes on after a failed one."""
    broken = fail(message="never mind")
    say(text="after all").after(broken).ignore_upstream_failure()


@dsl.pipeline(name="unlucky-condition")
def unlucky_condition(items: list = [1, 2]):  # noqa: B006
    """A condition that compares a number with a text, which is what kfp takes an item of a bare list for."""
    with dsl.ParallelFor(items) as item:
        with dsl.If(item > 1):
            say(text="never")


@dsl.pipeline(name="uncached")
def uncached():
    """A task that is never served from the cache."""
    say()
    double(value=2).set_caching_options(False)


@dsl.pipeline(name="undefined-metric")
def undefined_metric(value: bool = False):
    """A step with a metric that is not a number, and one after it."""
    double(value=3).after(undefined(value=value))


@dsl.pipeline(name="imported")
def imported(uri: str):
    """Data that no step of ours made."""
    total(parts=dsl.importer(artifact_uri=uri, artifact_class=dsl.Dataset).output)


whereabouts = component(steps.whereabouts)


@dsl.pipeline(name="places")
def places():
    """A loop whose body looks at its surroundings."""
    with dsl.ParallelFor([1, 2, 3, 4]) as number:
        whereabouts(number=number)

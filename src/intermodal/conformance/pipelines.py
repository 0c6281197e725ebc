"""Pipelines of the conformance cases; `pipelines.py:NAME` names one."""

from kfp import dsl

from intermodal.conformance import steps
from intermodal.core.component import component

numbers, spread, total = component(steps.numbers), component(steps.spread), component(steps.total)
merge, double, add, say = component(steps.merge), component(steps.double), component(steps.add), component(steps.say)
reject, flaky, wait = component(steps.reject), component(steps.flaky), component(steps.wait)
closing, kinds, shout = component(steps.closing), component(steps.kinds), component(steps.shout)


@dsl.pipeline(name="conformance-linear")
def linear(mark: str, n: int = 10) -> None:
    """A file, a directory, a number."""
    parts = spread(data=numbers(n=n, mark=mark).outputs["data"], mark=mark)
    total(parts=parts.outputs["parts"], mark=mark)


@dsl.pipeline(name="conformance-branch")
def branch(mark: str, n: int = 3) -> None:
    """If, Elif and Else over a value, and what follows the branch that ran."""
    value = double(value=n, mark=mark).output
    with dsl.If(value > 10):
        many = say(text="many", mark=mark)
    with dsl.Elif(value > 4):
        some = say(text="some", mark=mark)
    with dsl.Else():
        few = say(text="few", mark=mark)
    shout(text=dsl.OneOf(many.output, some.output, few.output), mark=mark)


@dsl.pipeline(name="conformance-loop")
def loop(mark: str, items: list[int] = [1, 2, 3]) -> None:  # noqa: B006  kfp's way to give a default
    """A loop, its artifacts and values collected."""
    with dsl.ParallelFor(items) as item:
        made = numbers(n=item, mark=mark)
        twice = double(value=item, mark=mark)
    merge(parts=dsl.Collected(made.outputs["data"]), mark=mark)
    add(values=dsl.Collected(twice.output), mark=mark)


@dsl.pipeline(name="conformance-part")
def part(mark: str, n: int) -> int:
    """A part of other pipelines."""
    return total(parts=numbers(n=n, mark=mark).outputs["data"], mark=mark).outputs["Output"]


@dsl.pipeline(name="conformance-nested")
def nested(mark: str) -> None:
    """The same part twice."""
    add(values=[part(n=4, mark=mark).output, part(n=6, mark=mark).output], mark=mark)


@dsl.pipeline(name="conformance-exit-handler")
def exit_handler(mark: str, wrong: bool = False) -> None:
    """A task that runs at the end, whatever happened."""
    with dsl.ExitHandler(closing(mark=mark)):
        said = say(text="inside", mark=mark)
        with dsl.If(wrong == True):  # noqa: E712  an expression for Kubeflow, not for Python
            reject(mark=mark).after(said)


@dsl.pipeline(name="conformance-failure")
def failure(mark: str) -> None:
    """A task fails; what it does not concern runs, what waits for it does not."""
    before = say(text="before", mark=mark)
    failed = reject(mark=mark).after(before)
    say(text="never", mark=mark).after(failed)


@dsl.pipeline(name="conformance-retry")
def retry(mark: str, failures: int = 2) -> None:
    """A task that is tried three times."""
    flaky(mark=mark, failures=failures).set_retry(num_retries=2, backoff_duration="0s")


@dsl.pipeline(name="conformance-cancel")
def cancel(mark: str, seconds: float = 120.0) -> None:
    """A task that takes long, and one after it."""
    waited = wait(mark=mark, seconds=seconds)
    say(text="never", mark=mark).after(waited)


@dsl.pipeline(name="conformance-types")
def types(
    mark: str,
    text: str = 'it\'s "ünïcode" $HOME {{x}}\nnext',
    number: int = 9007199254740991,
    share: float = 0.1,
    flag: bool = False,
    items: list[int] = [3, 1, 2],  # noqa: B006
    options: dict[str, float] = {"b": 2.5, "a": 1.0},  # noqa: B006
) -> None:
    """A parameter of every type."""
    kinds(text=text, number=number, share=share, flag=flag, items=items, options=options, mark=mark)

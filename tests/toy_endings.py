"""Pipelines that end in every way but a good one; `toy_endings.py:NAME` names one."""

from kfp import dsl

import toy_steps as steps
from intermodal import component

say, double, fail, reject = (component(item) for item in (steps.say, steps.double, steps.fail, steps.reject))
leave, vanish, silent = component(steps.leave), component(steps.vanish), component(steps.silent)
forgetful, wait, stubborn = component(steps.forgetful), component(steps.wait), component(steps.stubborn)
half_done = component(steps.half_done)
fill, stop_here, count_lines = component(steps.fill), component(steps.stop_here), component(steps.count_lines)


@dsl.component(base_image="python:3.11")
def plain_wait(folder: str):
    """A component that waits."""
    import os
    import time

    with open(os.path.join(folder, "waiting"), "w") as stream:
        stream.write(str(os.getpid()))
    time.sleep(600)


@dsl.pipeline(name="failing")
def failing(message: str = "it broke", lines: int = 30):
    """A step that fails between two others."""
    before = say(text="before")
    broken = fail(message=message, lines=lines).after(before)
    double(value=1).after(broken)


@dsl.pipeline(name="rejecting")
def rejecting():
    """A step that refuses its data."""
    reject()


@dsl.pipeline(name="leaving")
def leaving(code: int = 3):
    """A step that calls sys.exit."""
    leave(code=code)


@dsl.pipeline(name="vanishing")
def vanishing():
    """A step that is killed."""
    vanish()


@dsl.pipeline(name="silence")
def silence():
    """A step that writes no output."""
    silent()


@dsl.pipeline(name="forgetting")
def forgetting():
    """A step that returns nothing where a value was promised."""
    double(value=forgetful().output)


@dsl.pipeline(name="waiting")
def waiting(folder: str, seconds: float = 600.0):
    """A step that waits, after one that does not."""
    wait(folder=folder, seconds=seconds).after(say())


@dsl.pipeline(name="stubbornly")
def stubbornly(folder: str):
    """A step that does not listen."""
    stubborn(folder=folder)


@dsl.pipeline(name="plainly-waiting")
def plainly_waiting(folder: str):
    """A plain component that waits."""
    plain_wait(folder=folder)


@dsl.pipeline(name="filling")
def filling(megabytes: int = 1):
    """A step that writes much."""
    fill(megabytes=megabytes)


@dsl.pipeline(name="debugged")
def debugged(value: int = 7):
    """A step with a breakpoint."""
    double(value=stop_here(value=value).output)


@dsl.pipeline(name="counting")
def counting(source: str):
    """A step over data outside the store."""
    count_lines(source=source)


@dsl.pipeline(name="half")
def half():
    """A step that leaves half an output."""
    half_done()


@dsl.pipeline(name="waiting-loop")
def waiting_loop(folder: str):
    """Steps that wait, in a loop; two run at a time."""
    with dsl.ParallelFor(["0", "1", "2"]) as name:
        wait(folder=f"{folder}/{name}")

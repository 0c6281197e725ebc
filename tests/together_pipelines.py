"""Pipelines of steps that several processes share, and of a script of the user's own."""

from kfp import dsl

from intermodal.core.component import component

meet = component("together_steps:meet")
script = component("train_script")


@dsl.pipeline(name="meeting")
def meeting(fails: int = -1) -> None:
    """Two hosts meet."""
    meet(fails=fails)


@dsl.pipeline(name="scripted")
def scripted(source: str) -> None:
    """A script of the user's own."""
    script(source=source)

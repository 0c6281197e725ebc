"""Pipelines of steps that several processes share, and of a script of the user's own."""

from kfp import dsl

from intermodal.core.component import component

meet = component("together_steps:meet")
script = component("train_script")
tiny = component("together_steps:tiny")
train = component("train_pytorch")


@dsl.pipeline(name="meeting")
def meeting(fails: int = -1) -> None:
    """Two hosts meet."""
    meet(fails=fails)


@dsl.pipeline(name="scripted")
def scripted(source: str) -> None:
    """A script of the user's own."""
    script(source=source)


@dsl.pipeline(name="learning")
def learning(checkpoint: str, epochs: int) -> None:
    """A tiny training."""
    features = tiny(checkpoint=checkpoint).outputs["features"]
    train(
        features=features, checkpoint=checkpoint, strategy="full", epochs=epochs, batch_size=8, average_with_tfidf=False
    )

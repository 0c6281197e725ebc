"""Pipelines for tests of what a training job offers."""

from kfp import dsl

from intermodal.core.component import component

NAMES = {"training": "train"}


@dsl.pipeline(name="featured")
def featured(marks: str = "", files: int = 4):
    data = component("feature_steps:parts")(files=files).outputs["data"]
    shared = component("feature_steps:share")(data=data, marks=marks)
    divided = component("feature_steps:divide")(data=data, marks=marks).after(shared)
    component("feature_steps:learn")(data=data, marks=marks).after(divided)


@dsl.pipeline(name="scripting")
def scripting(source: str, word: str = "a word"):
    data = component("feature_steps:parts")().outputs["data"]
    component("train_script")(source=source, training=data, channels=NAMES, hyperparameters={"word": word})

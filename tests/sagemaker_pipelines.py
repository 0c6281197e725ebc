"""Pipelines for tests on a local SageMaker."""

from kfp import dsl

from intermodal.core.component import component


@dsl.pipeline(name="adding")
def adding(seed: int, marks: str = "", seconds: float = 0.0):
    numbers = component("sagemaker_steps:count")(seed=seed, marks=marks, seconds=seconds)
    component("sagemaker_steps:add_up")(numbers=numbers.outputs["numbers"], marks=marks, seconds=seconds)


@dsl.pipeline(name="counting")
def counting(seed: int, marks: str = "", seconds: float = 0.0):
    component("sagemaker_steps:count")(seed=seed, marks=marks, seconds=seconds)


@dsl.pipeline(name="telling")
def telling(word: str = ""):
    component("managed_steps:tell")(word=word)


@dsl.pipeline(name="tuning")
def tuning(seed: int, pause: float = 0.0):
    rows = component("managed_steps:place_rows")(seed=seed)
    component("tune")(
        features=rows.outputs["features"],
        train="toy_training:toy_training",
        ranges={"x": [0.0, 1.0]},
        fixed={"pause": pause},
        metric="score",
        trial_count=2,
        parallel=2,
    )

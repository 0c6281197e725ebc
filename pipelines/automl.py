"""Autopilot beside a tuned baseline on the same reviews; the better model is chosen.

intermodal run pipelines/automl.py -p rows=2000
intermodal run pipelines/automl.py -p rows=2000 --on sagemaker
"""

from kfp import dsl

from intermodal import component

generate = component("generate")
ingest = component("ingest")
validate = component("validate")
featurize = component("featurize")
autopilot = component("autopilot")
tune = component("tune")
evaluate = component("evaluate")
choose = component("choose")


@dsl.pipeline(name="automl", description="Autopilot beside a tuned training step; the better model is chosen")
def automl(
    source: str = "",
    rows: int = 10000,
    metric: str = "accuracy",
    candidates: int = 12,
    problem: str = "text",
    train: str = "baseline",
    ranges: dict = {  # noqa: B006  kfp's way to give a default
        "regularisation": {"type": "continuous", "min": 0.05, "max": 20.0, "scale": "log"},
        "min_texts": {"type": "integer", "min": 1, "max": 4},
    },
    trials: int = 10,
    parallel: int = 1,
    seed: int = 7,
):
    """Autopilot beside a tuned training step on the same reviews; the better model is chosen.

    Args:
        source: File, folder, glob or s3:// URI of reviews; synthetic ones are made when empty.
        rows: How many synthetic reviews.
        metric: What the better model is chosen by: accuracy, macro_f1, qwk, macro_auc, mae, ece or log_loss.
        candidates: Most candidates of Autopilot.
        problem: text or tabular: which kind of job SageMaker runs for Autopilot.
        train: Training step to tune.
        ranges: What varies in it.
        trials: Most trials.
        parallel: Trials at a time.
        seed: Of everything random.
    """
    raw = generate(rows=rows, seed=seed, unless=source)
    ingested = ingest(raw=raw.outputs["raw"], source=source)
    checked = validate(reviews=ingested.outputs["reviews"])
    features = featurize(reviews=checked.outputs["clean"], seed=seed).outputs["features"]

    piloted = autopilot(features=features, candidates=candidates, problem=problem, seed=seed)
    tuned = tune(features=features, train=train, ranges=ranges, trial_count=trials, parallel=parallel, seed=seed)
    piloted_judged = evaluate(model=piloted.outputs["model"], features=features)
    tuned_judged = evaluate(model=tuned.outputs["model"], features=features)
    choose(
        first_model=piloted.outputs["model"],
        first_evaluation=piloted_judged.outputs["evaluation"],
        second_model=tuned.outputs["model"],
        second_evaluation=tuned_judged.outputs["evaluation"],
        metric=metric,
        names=["autopilot", "tuned"],
    )

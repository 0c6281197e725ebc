"""A training step that learns nothing: its score is best at x = 0, and it ends as it is told."""

from kfp.dsl import Dataset, Input, Metrics, Model, Output

from intermodal.core.step import step


@step(job="training")
def toy_training(
    features: Input[Dataset],
    model: Output[Model],
    metrics: Output[Metrics],
    x: float = 0.0,
    steps: int = 1,
    ending: str = "well",
    pause: float = 0.0,
    seed: int = 0,
) -> None:
    """Say a score.

    Args:
        features: Only their metadata are looked at.
        model: `told.json`: the parameters.
        metrics: The score.
        x: The nearer to 0, the better.
        steps: Points of the curve.
        ending: well, raise, vanish, or silent for another metric.
        pause: Seconds before the end.
        seed: Not used.
    """
    import json
    import os
    import time
    from pathlib import Path

    from intermodal.core.events import log_metric

    if ending == "raise":
        raise ValueError("asked for")
    if ending == "vanish":
        os._exit(9)
    time.sleep(pause)
    for number in range(1, steps + 1):
        if ending == "well":
            log_metric("score", -x * x * number / steps, number)
    Path(model.path).mkdir(parents=True)
    told = {"seed": seed, "x": x, "who": features.metadata.get("who")}
    (Path(model.path) / "told.json").write_text(json.dumps(told, sort_keys=True))
    model.metadata["x"] = x
    metrics.log_metric("score" if ending == "well" else "other", -x * x)

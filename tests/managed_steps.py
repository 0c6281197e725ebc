"""A step whose work a service of AWS does, for tests: it tells what it was told of its place."""

from typing import Any

from kfp.dsl import Dataset, Output

from intermodal.core.step import step


def render(plan: Any) -> list[Any]:
    """No request at all."""
    return []


@step(job="managed", managed="managed_steps:render")
def tell(told: Output[Dataset], word: str = "") -> str:
    """Write down who does the work, and for which task of which pipeline.

    Args:
        told: JSON.
        word: Anything.

    Returns:
        The service.
    """
    import json
    import os
    from pathlib import Path

    from intermodal.aws.surroundings import current_plan
    from intermodal.core.step import spec_of

    engine = os.environ.get("INTERMODAL_SERVICE", "")
    plan = current_plan(spec_of(tell), {"word": word}, {}) if engine else None
    fields = {"engine": engine, "task": plan.task, "pipeline": plan.pipeline, "run": bool(plan.run_id)} if plan else {}
    Path(told.path).write_text(json.dumps(fields))
    return engine


@step()
def place_rows(features: Output[Dataset], seed: int = 0) -> None:
    """Make a folder of one file, which a tuning brings to its training jobs.

    Args:
        features: `rows.txt`.
        seed: What stands in it.
    """
    from pathlib import Path

    Path(features.path).mkdir(parents=True)
    (Path(features.path) / "rows.txt").write_text(f"{seed}\n")

"""A pipeline that makes a tiny model, deploys it, packages it and asks it about all reviews."""

from kfp import dsl

from intermodal.core.component import component

made = component("hosting_steps:tiny_model")
deploy = component("deploy")
package_model = component("package_model")
transform = component("transform")


@dsl.pipeline(name="hosting")
def hosting(worst: str = "terrible") -> None:
    """A tiny model, deployed, packaged, and asked about all reviews."""
    found = made(worst=worst)
    deploy(model=found.outputs["model"], endpoint="tiny", rollout_wait=0)
    package_model(model=found.outputs["model"], group="tiny")
    transform(model=found.outputs["model"], reviews=found.outputs["reviews"])

"""A pipeline that is given secrets."""

from kfp import dsl

import secret_steps as steps
from intermodal import component

unlock, train_locked = component(steps.unlock), component(steps.train_locked)


@dsl.pipeline(name="locked")
def locked(api_key: str, options: dict, db_password: str, wrong: bool = False):
    """A processing job and a training job, both with secrets."""
    made = unlock(api_key=api_key, options=options)
    train_locked(proof=made.outputs["proof"], db_password=db_password, wrong=wrong)

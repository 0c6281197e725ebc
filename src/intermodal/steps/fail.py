"""Ending a pipeline on purpose, as the last branch of a condition."""

from intermodal.core.step import step


@step()
def fail(message: str, exit_code: int = 4) -> None:
    """End the pipeline with a message.

    Args:
        message: What is wrong, and what would be right.
        exit_code: 2 for a wrong parameter, 3 for unusable data, 4 for anything else.
    """
    from intermodal.errors import DataRejected, StepFailed, UsageError

    kinds = {2: UsageError, 3: DataRejected}
    raise kinds.get(exit_code, StepFailed)(message)

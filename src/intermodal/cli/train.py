"""`intermodal train`: what SageMaker runs in our images when a request can name no command; not typed by people."""

from __future__ import annotations

from collections.abc import Sequence


def main(_arguments: Sequence[str]) -> int:
    """Train as /opt/ml says.

    Args:
        _arguments: Whatever SageMaker adds; everything that counts stands in /opt/ml/input.

    Returns:
        0, or what SageMaker takes for a failure.
    """
    from intermodal.tuning import train_program

    return train_program.main()

"""`intermodal train`: what SageMaker runs in our images when a request can name no command; not typed by people."""

from __future__ import annotations

from collections.abc import Sequence

from intermodal.cli.main import new_parser


def main(arguments: Sequence[str]) -> int:
    """Train as /opt/ml says.

    Args:
        arguments: Whatever SageMaker adds; everything that counts stands in /opt/ml/input.

    Returns:
        0, or what SageMaker takes for a failure.
    """
    new_parser("train").parse_known_args(arguments)
    from intermodal.tuning import train_program

    return train_program.main()

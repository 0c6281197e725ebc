"""intermodal: a machine-learning step, written once, runs on a laptop, on Kubeflow, or on SageMaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["component", "step"]

if TYPE_CHECKING:
    from intermodal.core.component import component
    from intermodal.core.step import step


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that the command line starts fast."""
    if name == "step":
        from intermodal.core.step import step

        return step
    if name == "component":
        from intermodal.core.component import component

        return component
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

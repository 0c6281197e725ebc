"""Executes images through a container engine; images that it has not, folders may stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intermodal.runtime.sagemaker_local.executing import Execution, Executor, Running

if TYPE_CHECKING:
    from intermodal.runtime.sagemaker_local.folders import FolderExecutor
    from intermodal.runtime.sagemaker_local.service import Service


class ContainerExecutor(Executor):
    """Runs images in containers."""

    name = "containers"

    @classmethod
    def connect(cls, service: Service, folders: FolderExecutor) -> ContainerExecutor | None:
        """The engine that answers; None when none does."""
        return None

    def start(self, execution: Execution) -> Running:
        """See `Executor.start`."""
        raise NotImplementedError

    def require(self, image: str) -> None:
        """See `Executor.require`."""
        raise NotImplementedError

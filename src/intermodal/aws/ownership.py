"""Whose a running job is: the run that asked for it stops it and is charged with it, or the successor of a dead run.

Where that is noted is for others to say: `intermodal.store.ownership` notes it in the artifact store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class Ownership(ABC):
    """Knows whose jobs are, on behalf of one run."""

    @abstractmethod
    def claim(self, job: str) -> None:
        """Note that a job is this run's, whoever's it was.

        Args:
            job: The job's name.

        Raises:
            StoreFailed: The store did not answer; as in the other three.
        """

    @abstractmethod
    def claim_new(self, job: str) -> bool:
        """Note that a job is this run's before it is asked for, unless a run that lives was faster.

        Args:
            job: The job's name.

        Returns:
            Whether it is this run's.
        """

    @abstractmethod
    def is_ours(self, job: str) -> bool:
        """Whether a job that was found is this run's to stop.

        Args:
            job: The job's name.

        Returns:
            True for this run's own, and for one whose run died on this machine.
        """

    @abstractmethod
    def other(self, job: str) -> str:
        """Which other run asked for a job, dead or alive, in words; empty when this one did, or took it over.

        Args:
            job: The job's name.
        """

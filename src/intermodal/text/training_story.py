"""What a training tells while it runs, whichever framework does the work: its curves, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from intermodal.errors import StepFailed
from intermodal.text.curves import Curves, validation_scores
from intermodal.text.remaining import Remaining

if TYPE_CHECKING:
    import numpy as np

    from intermodal.text.training import Rows
    from intermodal.text.training_plan import Plan

WINDOW = 20
"""Steps averaged to one point of the loss curve."""


class TrainingStory:
    """Curves and progress of one training.

    Args:
        plan: What is done.
        rows: On what.
        curves: Given train_loss every few steps and validation_* after every epoch, by the number of the step.
        work: All work to be done, in any unit that is proportional to time.
    """

    def __init__(self, plan: Plan, rows: Rows, curves: Curves, work: float) -> None:
        self._plan, self._labels, self._curves = plan, rows.validation.labels, curves
        self._steps = -(-len(rows.train) // plan.batch_size)
        self.remaining = Remaining(work)

    def begin(self) -> None:
        """The first epoch begins."""
        self.remaining.note = f"epoch 1 of {self._plan.epochs}"

    def loss(self, loss: float, step: int) -> None:
        """Tell the mean loss of the last steps.

        Raises:
            StepFailed: The loss is not a number any more.
        """
        if loss != loss:
            next_step = "lower learning_rate, or set precision=float32 where the step has it"
            raise StepFailed("training diverged", seen=f"loss {loss} at step {step}", next_step=next_step)
        epoch = 1 + (step - 1) // self._steps
        self.remaining.note = f"epoch {epoch} of {self._plan.epochs}, loss {loss:.3f}"
        self._curves.add("train_loss", step, loss)

    def judged(self, epoch: int, probabilities: np.ndarray) -> None:
        """Tell how the validation rows are rated after an epoch.

        Args:
            epoch: Epochs done.
            probabilities: Of the validation rows, shape (n, C).
        """
        scores = validation_scores(probabilities, self._labels)
        told = {f"validation_{name}": value for name, value in scores.items()}
        self._curves.add_all(told, epoch * self._steps)
        self.remaining.note = f"epoch {min(epoch + 1, self._plan.epochs)} of {self._plan.epochs}"

"""Fine-tune a Keras classifier: AdamW, warm-up and linear decay, batches of similar length, frozen layers kept.

Shapes are left open in every traced function, so each is traced once, whatever the lengths: tracing costs seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from intermodal.text.batches import reading_batches, training_batches
from intermodal.text.curves import Curves
from intermodal.text.keras_lower import KeptLayers
from intermodal.text.resuming import Saver
from intermodal.text.training_story import WINDOW, TrainingStory

if TYPE_CHECKING:
    from intermodal.text.keras_bert import KerasClassifier
    from intermodal.text.training_plan import Plan

_HEAD_FACTOR = 10  # the head starts at random and has to move further than the pretrained encoder
_WARM_UP = 0.06  # share of the steps
_DECAY = 0.01
_TRAINED, _LAST = 3.0, 0.5  # cost of a token in a trained layer, and in the last one
_LONGEST_STEP = 1.0  # norm that gradients are clipped to


class Upper:
    """The trained part of a classifier, as functions of TensorFlow.

    Args:
        model: The classifier.
        plan: What to do.
    """

    def __init__(self, model: KerasClassifier, plan: Plan) -> None:
        self._model, self._depth, self._rate = model, plan.frozen_layers, plan.learning_rate
        self._encoder, self._head = model.variables_of(self._depth)
        self._optimizers = [_optimizer(variables) for variables in (self._encoder, self._head)]
        states = tf.TensorSpec([None, None, model.shape.hidden], tf.float32)
        given = states if self._depth else tf.TensorSpec([None, None], tf.int32)
        real, labels = tf.TensorSpec([None, None], tf.bool), tf.TensorSpec([None], tf.int32)
        self.step = tf.function(self._step, input_signature=[given, real, labels])
        self.probabilities = tf.function(self._probabilities, input_signature=[given, real])

    def set_rate(self, factor: float) -> None:
        """Set the learning rates to this share of their peaks."""
        for optimizer, peak in zip(self._optimizers, (self._rate, self._rate * _HEAD_FACTOR), strict=True):
            optimizer.learning_rate.assign(peak * factor)

    def variables(self) -> list[Any]:
        """All that changes while it trains: weights, the optimizers' moments, the dropouts' generators."""
        own = [*self._encoder, *self._head, *self._model.generators()]
        return own + [variable for optimizer in self._optimizers for variable in optimizer.variables]

    def _logits(self, given: Any, real: Any, training: bool) -> Any:
        x = given if self._depth else self._model.embed(given, training)
        x = self._model.encode(x, real, self._depth, len(self._model.layers) - 1, training)
        return self._model.classify(x, real, training)

    def _probabilities(self, given: Any, real: Any) -> Any:
        return tf.nn.softmax(tf.cast(self._logits(given, real, False), tf.float64))

    def _step(self, given: Any, real: Any, labels: Any) -> Any:
        """One step on a batch; its mean loss."""
        with tf.GradientTape() as tape:
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, self._logits(given, real, True))
            loss = tf.reduce_mean(each)
        variables = [variable.value for variable in (*self._encoder, *self._head)]
        slopes, _norm = tf.clip_by_global_norm(tape.gradient(loss, variables), _LONGEST_STEP)
        first = len(self._encoder)
        self._optimizers[0].apply(slopes[:first], self._encoder)
        self._optimizers[1].apply(slopes[first:], self._head)
        return loss


class KerasState:
    """A training between two of its steps; see `intermodal.text.resuming.State`.

    Args:
        upper: What is trained.
    """

    def __init__(self, upper: Upper) -> None:
        self.step, self.judged = 0, 0
        self.window: list[Any] = []
        self._variables = upper.variables()

    def facts(self) -> dict[str, Any]:
        """Nothing: TensorFlow keeps all of it in variables, and the learning rate follows from the step."""
        return {}

    def tensors(self) -> dict[str, np.ndarray]:
        """Every variable, by its place, and the losses not told yet."""
        found = {f"variable/{place}": np.asarray(variable) for place, variable in enumerate(self._variables)}
        return {**found, "window": np.array([float(loss) for loss in self.window])}

    def restore(self, facts: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
        """Take over the state of another process."""
        for place, variable in enumerate(self._variables):
            variable.assign(tensors[f"variable/{place}"])
        self.window = list(tensors["window"])


def fine_tune(
    upper: Upper,
    below: KeptLayers,
    plan: Plan,
    story: TrainingStory,
    judge: Callable[[int], None],
    saver: Saver | None = None,
) -> None:
    """Train.

    Args:
        upper: What is trained; changed in place.
        below: What lies below it, for the training rows.
        plan: What to do.
        story: Told the losses, and each batch's tokens as work.
        judge: Called with the number of epochs finished.
        saver: Saves the state now and then, and knows where an earlier attempt was; None for neither.
    """
    saver, state = saver or Saver(None, Curves()), KerasState(upper)
    saver.restore(state)
    resumed = state.step
    steps = plan.epochs * -(-len(below.rows) // plan.batch_size)
    with saver.guard(state):
        for step, (epoch, batch, last) in enumerate(_epochs(below.rows.lengths, plan), start=1):
            if step > state.step:
                upper.set_rate(_rate_at(step, steps))
                with saver.whole():
                    _advance(state, upper, below, batch)
                    if len(state.window) == WINDOW or last:
                        story.loss(float(np.mean([float(loss) for loss in state.window])), step)
                        state.window.clear()
            story.remaining.advance(int(below.rows.lengths[batch].sum()) * step_cost(plan))
            if last and epoch > state.judged:
                judge(epoch)
                with saver.whole():
                    state.judged = epoch
            if step > resumed:
                saver.keep(state, now=last)


def _advance(state: KerasState, upper: Upper, below: KeptLayers, batch: np.ndarray) -> None:
    state.window.append(upper.step(*below.given(batch), below.rows.labels[batch].astype(np.int32)))
    state.step += 1


def _rate_at(step: int, steps: int) -> float:
    """Share of the peak learning rate: warm-up, then linear decay."""
    warm = max(1, round(steps * _WARM_UP))
    return min(step / warm, max(0.0, (steps - step + 1) / max(1, steps - warm)))


def rate(upper: Upper, below: KeptLayers, classes: int) -> np.ndarray:
    """Probabilities of rows: float64, shape (n, C)."""
    found = np.zeros((len(below.rows), classes))
    for batch in reading_batches(below.rows.lengths):
        found[batch] = upper.probabilities(*below.given(batch)).numpy()
    return found


def step_cost(plan: Plan) -> float:
    """Work for a token in one step of training, in layers passed once: gradients cost two more passes."""
    whole = max(0, plan.layers - plan.frozen_layers - 1)
    return _TRAINED * whole + _LAST + (0 if plan.keep_frozen else plan.frozen_layers)


def _epochs(lengths: np.ndarray, plan: Plan) -> Iterator[tuple[int, np.ndarray, bool]]:
    """(number of the epoch from 1 on, batch, whether it is the epoch's last)."""
    for epoch in range(1, plan.epochs + 1):
        groups = training_batches(lengths, plan.batch_size, plan.seed * 1000 + epoch)
        for index, batch in enumerate(groups, start=1):
            yield epoch, batch, index == len(groups)


def _optimizer(variables: list[Any]) -> Any:
    made = keras.optimizers.AdamW(weight_decay=_DECAY, epsilon=1e-8)
    made.exclude_from_weight_decay([variable for variable in variables if len(variable.shape) == 1 or _bias(variable)])
    made.build(variables)
    return made


def _bias(variable: Any) -> bool:
    return str(variable.name) == "bias"  # attention keeps its biases in two dimensions, by head

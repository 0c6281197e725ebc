"""The learner of the step `train_tensorflow`: KerasHub's layers, exported to Hugging Face's format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from intermodal.errors import UsageError
from intermodal.text.curves import Curves
from intermodal.text.hub_export import Exported
from intermodal.text.model_files import ModelWriter
from intermodal.text.processes import Processes
from intermodal.text.tensorflow_place import prepare_tensorflow
from intermodal.text.training import Inputs
from intermodal.text.training_story import TrainingStory

if TYPE_CHECKING:
    import numpy as np

FAMILIES = ("bert", "distilbert")


class KerasHub:
    """Fine-tunes with TensorFlow; see `intermodal.text.training.Learner`."""

    def facts(self) -> dict[str, Any]:
        """The framework; it computes in float32."""
        return {"framework": "tensorflow", "precision": "float32"}

    def together(self) -> Processes:
        """This one alone."""
        return Processes()

    def check(self, inputs: Inputs) -> None:
        """Refuse checkpoints of other families, and LoRA."""
        if inputs.shape.family not in FAMILIES:
            raise UsageError(
                "train_tensorflow does not know this kind of checkpoint",
                seen=inputs.shape.family,
                expected="bert or distilbert",
                next_step="train it with train_pytorch, which knows bert, roberta and distilbert",
            )
        if inputs.plan.lora_rank:
            expected = "auto, top_layers, full or freeze"
            raise UsageError("train_tensorflow has no LoRA", seen="strategy lora", expected=expected)

    def learn(self, inputs: Inputs, writer: ModelWriter, curves: Curves) -> np.ndarray:
        """Fine-tune, add the encoder to the model, and rate the validation rows."""
        plan, classes = inputs.plan, len(inputs.labels)
        prepare_tensorflow(plan.seed)
        # Only now: importing these imports TensorFlow.
        from intermodal.text.keras_lower import KeptLayers, traced_lower
        from intermodal.text.keras_training import Upper, fine_tune, rate, step_cost
        from intermodal.text.keras_weights import exported_weights, load_keras_classifier

        shape = replace(inputs.shape, layers=plan.layers)
        model = load_keras_classifier(inputs.directory, shape, classes, plan.dropout, plan.seed)
        lower = traced_lower(model, plan.frozen_layers)
        pair = (inputs.rows.train, inputs.rows.validation)
        below, judged = (KeptLayers(model, rows, plan.frozen_layers, lower) for rows in pair)
        plan = replace(plan, keep_frozen=plan.keep_frozen and below.fits)
        tokens = [int(rows.lengths.sum()) for rows in pair]
        once = sum(tokens) * plan.frozen_layers if plan.keep_frozen else 0
        story = TrainingStory(plan, inputs.rows, curves, once + plan.epochs * tokens[0] * step_cost(plan))
        if plan.keep_frozen:
            story.remaining.note = f"computing the lower {plan.frozen_layers} layers once"
            for part in (below, judged):
                part.keep(lambda done: story.remaining.advance(done * plan.frozen_layers))
        story.begin()
        upper = Upper(model, plan)

        def judge(epoch: int) -> None:
            story.judged(epoch, rate(upper, judged, classes))

        fine_tune(upper, below, plan, story, judge, inputs.saver)
        found = rate(upper, judged, classes)
        writer.add_exported(Exported(exported_weights(model), shape, inputs.directory), inputs.longest)
        return found

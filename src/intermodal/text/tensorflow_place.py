"""TensorFlow, set up before it is first used: quiet, deterministic, with no more threads than processors."""

from __future__ import annotations

import contextlib
import os
import sys

from intermodal.errors import UsageError
from intermodal.text.compute import available_processors


def prepare_tensorflow(seed: int) -> None:
    """Set up Keras on TensorFlow, so that the same seed gives the same bytes.

    Args:
        seed: Of Python's, NumPy's and TensorFlow's global generators.

    Raises:
        UsageError: TensorFlow or KerasHub is not installed, or Keras runs on another backend in this process.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its greetings are no news to who follows a step
    _choose_backend()
    try:
        import keras
        import keras_hub  # noqa: F401
        import tensorflow as tf
    except ModuleNotFoundError as error:
        raise UsageError(
            "this step needs TensorFlow and KerasHub",
            seen=f"no module {error.name}",
            next_step="pip install -c constraints.txt 'intermodal[tensorflow]', or use the tensorflow image",
        ) from error
    with contextlib.suppress(RuntimeError):  # already in use by an earlier training in this process, as set up then
        tf.config.threading.set_intra_op_parallelism_threads(available_processors())
        tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def _choose_backend() -> None:
    """Keras reads its backend once, when it is first imported."""
    keras = sys.modules.get("keras")
    seen = keras.backend.backend() if keras is not None else os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if seen != "tensorflow":
        raise UsageError(
            "Keras is set to another backend",
            seen=seen,
            expected="tensorflow",
            next_step="unset KERAS_BACKEND, or set it to tensorflow",
        )

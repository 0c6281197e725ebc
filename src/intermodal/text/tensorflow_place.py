"""TensorFlow, set up before it is first used: quiet, deterministic, with no more threads than processors."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from intermodal.errors import UsageError
from intermodal.text.compute import available_processors


def prepare_tensorflow(seed: int) -> None:
    """Set up Keras on TensorFlow, so that the same seed gives the same bytes.

    Args:
        seed: Of Python's, NumPy's and TensorFlow's global generators.

    Raises:
        UsageError: TensorFlow or KerasHub is not installed, or Keras runs on another backend in this process.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its greetings are no news to who follows a step
    _choose_backend()
    try:
        with _without_greetings():
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


@contextlib.contextmanager
def _without_greetings() -> Iterator[None]:
    """Hold back what TensorFlow's libraries write about missing GPUs while they load; no setting reaches that.

    It is written after all where loading fails.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held, os.fdopen(os.dup(2), "wb") as before:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            before.write(held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before.fileno(), 2)


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

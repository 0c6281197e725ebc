"""Steps that are given secrets, for tests that search for them afterwards."""

import hashlib
from pathlib import Path

from kfp.dsl import Dataset, Input, Metrics, Output

from intermodal.core.events import log_metric
from intermodal.core.step import step


@step()
def unlock(proof: Output[Dataset], metrics: Output[Metrics], api_key: str = "", options: dict = {}):  # noqa: B006
    """Prove that the secrets were known, without telling them.

    Args:
        proof: Digests of the secrets.
        metrics: How long they are.
        api_key: A secret.
        options: Others.
    """
    words = [api_key, *(str(value) for _, value in sorted(options.items()))]
    digests = [hashlib.sha256(word.encode()).hexdigest() for word in words]
    Path(proof.path).write_text("\n".join(digests))
    print(f"unlocked with {len(api_key)} characters")
    metrics.log_metric("length", len(api_key))
    log_metric("length", len(api_key), 1)


@step(job="training")
def train_locked(proof: Input[Dataset], copy: Output[Dataset], db_password: str = "", wrong: bool = False):
    """A training step that knows a secret, and may fail.

    Args:
        proof: Digests of the secrets.
        copy: The same and one more.
        db_password: A secret.
        wrong: Whether to fail.
    """
    if wrong:
        raise ValueError("the lock is stuck")
    own = hashlib.sha256(db_password.encode()).hexdigest()
    Path(copy.path).write_text(Path(proof.path).read_text() + "\n" + own)

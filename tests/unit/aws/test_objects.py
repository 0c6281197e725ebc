"""Objects on S3 whose content breaks off while it is read."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ResponseStreamingError

from intermodal.aws import objects
from intermodal.aws.objects import read_object
from intermodal.aws.settings import SageMakerSettings
from intermodal.errors import RuntimeFailed


class Broken:
    """Stands for `Calls` of S3, whose first answers break off."""

    left = 0

    def __init__(self, *_given: Any) -> None: ...

    def __call__(self, _operation: str, **_given: Any) -> dict[str, Any]:
        return {"Body": self}

    def read(self) -> bytes:
        if Broken.left:
            Broken.left -= 1
            raise ResponseStreamingError(error="IncompleteRead")
        return b"all of it"


def test_what_breaks_off_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "Calls", Broken)
    monkeypatch.setattr(Broken, "left", 2)
    assert read_object("s3://bucket/key", SageMakerSettings()) == b"all of it"


def test_what_always_breaks_off_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "Calls", Broken)
    monkeypatch.setattr(Broken, "left", 1 << 30)
    with pytest.raises(RuntimeFailed, match="could not be read to its end") as caught:
        read_object("s3://bucket/key", SageMakerSettings())
    assert caught.value.expected == "s3://bucket/key"

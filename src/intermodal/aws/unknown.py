"""Which members of a request hold something that is known only while the pipeline runs."""

from __future__ import annotations

from typing import Any


def paths_with(parameters: Any, texts: tuple[str, ...], path: str = "") -> tuple[str, ...]:
    """Paths of the members whose text holds one of the given texts.

    Args:
        parameters: A request.
        texts: What to look for: a name that is a digest of unknown things, a URI.
        path: Where `parameters` stands.

    Returns:
        Such as "OutputDataConfig.S3OutputPath", in the order of the request.
    """
    if isinstance(parameters, dict):
        items = [(f"{path}.{name}" if path else str(name), value) for name, value in parameters.items()]
    elif isinstance(parameters, list):
        items = [(f"{path}.{index}", value) for index, value in enumerate(parameters)]
    else:
        return (path,) if isinstance(parameters, str) and any(text in parameters for text in texts) else ()
    return tuple(found for place, value in items for found in paths_with(value, texts, place))

"""Where steps are found: a lazy map from a name to the module that holds it.

Three ways lead to a step, and none needs a change to intermodal: a name of the catalogue, a name that
another installed package announces under the entry-point group `intermodal.steps`, or
"module:function". Nothing is imported until a step is really asked for.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from functools import lru_cache
from importlib import metadata
from types import ModuleType
from typing import Any

from intermodal.core.step import StepSpec, is_step, spec_of
from intermodal.errors import IntermodalError, UsageError

ENTRY_POINT_GROUP = "intermodal.steps"

CATALOGUE = {
    name: f"intermodal.steps.{name}:{name}"
    for name in (
        "generate",
        "ingest",
        "explore",
        "explore_spark",
        "glue_table",
        "query_redshift",
        "validate",
        "featurize",
        "baseline",
        "train_pytorch",
        "train_tensorflow",
        "train_script",
        "evaluate",
        "tune",
        "autopilot",
        "choose",
        "register",
        "package_model",
        "deploy",
        "drift",
        "batch_predict",
        "transform",
        "fail",
    )
}


@lru_cache(maxsize=1)
def announced() -> dict[str, str]:
    """Steps of other installed packages: name → "module:function"."""
    return {point.name: point.value for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}


def known_steps() -> dict[str, str]:
    """Every step that has a name; the catalogue's own names win."""
    return {**announced(), **CATALOGUE}


def target_of(name: str) -> str:
    """The "module:function" behind a name.

    Args:
        name: A step's name, with dashes or underscores, or "module:function" already.

    Raises:
        UsageError: No step has that name.
    """
    if ":" in name:
        return name
    steps = known_steps()
    plain = name.replace("-", "_")
    if plain in steps:
        return steps[plain]
    near = difflib.get_close_matches(plain, steps, n=3)
    raise UsageError(
        "there is no step of that name",
        seen=name,
        expected=", ".join(near or sorted(steps)),
        next_step="a step of your own is named module:function, for example mypackage.steps:clean",
    )


def load_function(name: str) -> Callable[..., Any]:
    """Import a step's function.

    Args:
        name: As for `target_of`.

    Raises:
        UsageError: The module or function is not there, or is not a step.
    """
    module_name, _, attribute = target_of(name).partition(":")
    module = _imported(module_name)
    function = getattr(module, attribute, None)
    if function is None or not is_step(function):
        steps = ", ".join(key for key, value in vars(module).items() if is_step(value)) or "none"
        raise UsageError(f"module {module_name} has no such step", seen=attribute or "no name", expected=steps)
    return function  # type: ignore[no-any-return]


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name + ".").startswith(error.name + "."):
            seen, expected = name, "a module on the Python path"
        else:
            seen, expected = f"{name} imports {error.name}", f"{error.name} in this environment"
        cause: Exception = error
    except IntermodalError:
        raise
    except Exception as error:  # the module's own code ran, so anything can come
        seen, expected = f"{name}: {type(error).__name__}: {error}", "module:function of a module that imports"
        cause = error
    raise UsageError(
        "the step's module cannot be imported",
        seen=seen,
        expected=expected,
        next_step="install its package into this environment, or run from its directory",
    ) from cause


def load_spec(name: str) -> StepSpec:
    """Import a step and read its specification; errors as for `load_function`."""
    return spec_of(load_function(name))

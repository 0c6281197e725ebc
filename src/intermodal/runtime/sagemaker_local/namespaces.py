"""Private namespaces of Linux: own mounts, processes and host name, without any container engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

# $1 host name, $2 hosts file, $3 working directory, $4 number of mounts, then pairs of folder and place,
# then the command. A folder that has no room for a new place is covered by a copy of itself that has, so
# that nothing is ever made on the machine itself.
_SCRIPT = r"""
set -e
trap 'exit 143' TERM
cover() {
  old=$(mktemp -d)
  mount --rbind "$1" "$old"
  mount -t tmpfs -o mode=755 none "$1"
  for entry in "$old"/* "$old"/.[!.]*; do
    name=${entry##*/}
    if [ -L "$entry" ]; then cp -P "$entry" "$1/$name"
    elif [ -d "$entry" ]; then mkdir "$1/$name"; mount --rbind "$entry" "$1/$name"
    elif [ -e "$entry" ]; then : > "$1/$name"; mount --bind "$entry" "$1/$name"
    fi
  done
  umount -l "$old"; rmdir "$old"
}
room() {
  [ -d "$1" ] && return 0
  above=$1
  while [ ! -d "$above" ]; do above=${above%/*}; [ -n "$above" ] || above=/; done
  case "$above" in /|"$inside"|"$inside"/*) ;; *) cover "$above" ;; esac
  mkdir -p "$1"
}
mount --make-rprivate /
hostname "$1"
mount --bind "$2" /etc/hosts
directory=$3; count=$4; shift 4; inside=none
while [ "$count" -gt 0 ]; do
  room "$2"
  mount --bind "$1" "$2"
  inside=$2; count=$((count - 1)); shift 2
done
[ -z "$ISOLATED" ] || ip link set lo up 2>/dev/null || true
unset ISOLATED
cd "$directory"
exec "$@"
"""


def namespace_command(
    command: list[str],
    *,
    mounts: dict[str, Path],
    hostname: str,
    hosts_file: Path,
    directory: str,
    network: bool = True,
    joined: int = 0,
) -> list[str]:
    """The words that run a command in namespaces of its own; it is process 1 there.

    Args:
        command: The words to be run.
        mounts: Path as the command sees it → folder of this machine.
        hostname: Its host name.
        hosts_file: What it sees as /etc/hosts.
        directory: Its working directory.
        network: Without it, there is no network but loopback.
        joined: Process whose network it has, as `network_alone` made it; 0 for none.
    """
    words = ["unshare", *_identity(), "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts"]
    words = ["nsenter", f"--net=/proc/{joined}/ns/net", *words] if joined else words
    words += [] if network or joined else ["--net"]
    pairs = [word for place, folder in sorted(mounts.items()) for word in (str(folder), place)]
    own = [hostname, str(hosts_file), directory, str(len(mounts)), *pairs]
    return [*words, "sh", "-c", _SCRIPT, "sh", *own, *command]


def network_alone() -> subprocess.Popen[bytes]:
    """A process that does nothing but hold a network with loopback alone, for the hosts of one isolated job."""
    script = "ip link set lo up 2>/dev/null || true; echo; exec sleep infinity"
    process = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()  # the network is there
    return process


@lru_cache(maxsize=1)
def namespaces_work() -> bool:
    """Whether this machine lets us make them."""
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", *_identity(), "--mount", "--pid", "--fork", "--mount-proc", "--uts", "hostname", "trial"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def child_of(process: int) -> int | None:
    """The process 1 of the namespaces, as seen from here; None when it is not there (yet, or any more)."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def catches(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal; process 1 of a namespace never hears of it without."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(mask, 16) >> (number - 1) & 1)


def _identity() -> list[str]:
    return [] if os.geteuid() == 0 else ["--user", "--map-root-user"]

"""Runs a document: writes the files it shows, types its commands, compares what they print.

A fenced block with `title=PATH` is a file. In a block of the language `console` a line that starts with
`$ ` is a command (with the next line, where it ends in a backslash) and the lines after it are its output, in
which `…` stands for any text of a line, and a line `…` for any lines. `exit=N` after the language is the exit
code that the last command has. What a command exports, and where it changes to, holds for those after it.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HANGS = 300  # seconds after which a command counts as hung
_OF_THE_SHELL = ("_", "PWD", "OLDPWD", "SHLVL")
ANYTHING = "…"


@dataclass(frozen=True)
class Command:
    """A command of a document.

    Attributes:
        text: What is typed.
        expected: Lines of output.
        code: The exit code it has.
        line: Its line in the document.
    """

    text: str
    expected: tuple[str, ...]
    code: int
    line: int


@dataclass(frozen=True)
class ShownFile:
    """A file of a document."""

    path: str
    text: str


def read_document(path: Path) -> list[Command | ShownFile]:
    """The files and commands of a Markdown document, in their order."""
    text = path.read_text(encoding="utf-8")
    found: list[Command | ShownFile] = []
    for match in _FENCE.finditer(text):
        language, options, body = match.groups()
        given = dict(re.findall(r"(\w+)=(\S+)", options))
        if "title" in given:
            found.append(ShownFile(given["title"], body))
        elif language == "console":
            found += _commands(body, int(given.get("exit", 0)), text[: match.start()].count("\n") + 2)
    return found


def _commands(body: str, code: int, line: int) -> list[Command]:
    parts = re.split(r"^\$ ", body, flags=re.MULTILINE)
    assert not parts[0].strip(), f"line {line}: output before the first command"
    found = []
    for index, part in enumerate(parts[1:], start=1):
        lines = part.rstrip("\n").split("\n")
        typed = next(number for number, typed in enumerate(lines, start=1) if not typed.endswith("\\"))
        text, expected = "\n".join(lines[:typed]), tuple(lines[typed:])
        found.append(Command(text, expected, code if index == len(parts) - 1 else 0, line))
        line += len(lines)
    return found


@dataclass
class Reader:
    """Somebody who follows a document, step by step.

    Attributes:
        folder: Where they work.
        environment: Their environment variables, with what they have exported.
    """

    folder: Path
    environment: dict[str, str]
    _here: Path = field(init=False)

    def __post_init__(self) -> None:
        self._here = self.folder

    def follow(self, part: Command | ShownFile) -> None:
        """Write a file, or type a command and compare.

        Raises:
            AssertionError: The exit code or the output is not what the document says.
        """
        if isinstance(part, ShownFile):
            path = self.folder / part.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(part.text, encoding="utf-8")
            return
        code, output = self._type(part.text)
        told = f"line {part.line}: $ {part.text}\n{output}"
        assert code == part.code, f"exit code {code}, not {part.code}; {told}"
        wrong = mismatch(list(part.expected), output.splitlines())
        assert not wrong, f"{wrong}; {told}"

    def _type(self, text: str) -> tuple[int, str]:
        """Run a command in the current directory, which it may change as the variables; its exit code and output."""
        note = self.folder / ".here"
        script = f"trap 'env -0 > \"{note}\"' EXIT\n{text}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._here,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_HANGS,
        )
        exported = dict(item.split("=", 1) for item in note.read_text().split("\0") if item)
        self._here = Path(exported["PWD"])
        self.environment.update({name: value for name, value in exported.items() if name not in _OF_THE_SHELL})
        note.unlink()
        return done.returncode, done.stdout


def mismatch(expected: list[str], printed: list[str]) -> str:
    """What is wrong with an output; empty when it is what was expected.

    Args:
        expected: Lines of the document.
        printed: Lines that a command printed.
    """
    pattern = "".join("(?:[^\n]*\n)*?" if line == ANYTHING else _line(line) for line in expected)
    text = "".join(f"{line.rstrip()}\n" for line in printed)
    if re.fullmatch(pattern, text):
        return ""
    lines = text.split("\n")
    lost = [
        line for line in expected if line != ANYTHING and not any(re.fullmatch(_line(line), f"{i}\n") for i in lines)
    ]
    return f"nothing like {lost[0]!r} was printed" if lost else "more was printed, or in another order"


def _line(line: str) -> str:
    return "[^\n]*".join(re.escape(part) for part in line.rstrip().split(ANYTHING)) + "\n"

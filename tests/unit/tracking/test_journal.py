"""The journal: order, answers, torn ends."""

from __future__ import annotations

import json
from pathlib import Path

from intermodal.tracking.journal import ACKS, COMMANDS, Journal


def _all(journal: Journal) -> list[int]:
    offset, found = 0, []
    while True:
        rows, after = journal.read(offset)
        found += [row["seq"] for row in rows]
        if after == offset:
            return found
        offset = after


def test_commands_come_back_in_order_until_answered(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert [journal.append({"verb": "log_batch", "n": n}) for n in range(3)] == [1, 2, 3]
    journal.acknowledge({"seq": 2, "ok": True, "result": None})
    assert _all(journal) == [1, 3]
    assert journal.waiting == 2


def test_another_process_goes_on_with_the_numbers_and_answers(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    first.append({"verb": "start_task"})
    first.append({"verb": "end"})
    first.acknowledge({"seq": 1, "ok": True, "result": {"run_id": "r"}})
    second = Journal(tmp_path)
    assert second.append({"verb": "set_tags"}) == 3
    assert _all(second) == [2, 3]
    assert [(row["verb"], answer and answer["result"]) for row, answer in second.history()] == [
        ("start_task", {"run_id": "r"}),
        ("end", None),
        ("set_tags", None),
    ]


def test_a_line_torn_by_a_kill_is_dropped(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append({"verb": "one"})
    for name in (COMMANDS, ACKS):
        with (tmp_path / name).open("a") as stream:
            stream.write('{"seq": 2, "ve')
    again = Journal(tmp_path)
    assert _all(again) == [1]
    assert again.append({"verb": "two"}) == 2
    assert [json.loads(line)["verb"] for line in (tmp_path / COMMANDS).read_text().splitlines()] == ["one", "two"]


def test_a_command_longer_than_a_piece_is_read_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append({"verb": "log_batch", "text": "x" * 3_000_000})
    journal.append({"verb": "end"})
    assert _all(journal) == [1, 2]


def test_a_line_being_written_is_left_for_later(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append({"verb": "one"})
    with (tmp_path / COMMANDS).open("a") as stream:
        stream.write('{"seq": 2,')
    rows, offset = journal.read(0)
    assert [row["seq"] for row in rows] == [1]
    with (tmp_path / COMMANDS).open("a") as stream:
        stream.write(' "verb": "two"}\n')
    assert [row["seq"] for row in journal.read(offset)[0]] == [2]

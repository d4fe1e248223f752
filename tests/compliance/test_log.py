"""The log loses nothing it acknowledged, and shows every edit."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from pellucid import FileError, InputError, Record, RecordLog

ENDINGS = [".sqlite", ".jsonl"]


def record(number=0):
    return Record(
        model="state:m", background="b", row=f"row {number}", configuration={"method": "tree"},
        versions={"python": "3"}, reference=str(number), tolerance=1e-12, time="2026-01-01T00:00:00+00:00",
        features=("a", "b"), outputs=("y",), values=((0.1 * number,), (-1.5,)), base_values=(0.25,),
        prediction=(0.25 + 0.1 * number - 1.5,),
    )  # fmt: skip


@pytest.fixture(params=ENDINGS)
def path(request, tmp_path):
    return tmp_path / f"log{request.param}"


def test_records_come_back_in_order_from_another_handle(path):
    log = RecordLog(path)
    assert (len(log), log.problems(), list(log)) == (0, (), [])
    log.append([record(1), replace(record(2), model="state:other")])
    head = RecordLog(path).append(record(3))
    last = log.append([record(4)])
    assert list(RecordLog(path)) == [record(1), replace(record(2), model="state:other"), record(3), record(4)]
    assert RecordLog(path).head == last != head
    assert log.problems(head=head) == log.problems(head=last) == ()
    assert log.append([]) == last


def edited(path, change):
    """Edit the log behind its back, as somebody with the file could."""
    if path.suffix == ".jsonl":
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(change(lines)))
        return
    with closing(sqlite3.connect(path)) as connection:
        for name in ("records_stay", "records_remain", "headers_stay", "headers_remain"):
            connection.execute(f"drop trigger {name}")
        change(connection)
        connection.commit()


EDITS = {
    "a value": (
        lambda lines: [line.replace("row 2", "row 9") for line in lines],
        lambda c: c.execute("update records set body = replace(body, 'row 2', 'row 9')"),
    ),
    "an entry taken out": (
        lambda lines: [line for line in lines if "row 2" not in line],
        lambda c: c.execute("delete from records where position = 2"),
    ),
    "two entries swapped": (
        lambda lines: [*lines[:-2], lines[-1], lines[-2]],
        lambda c: c.executescript(
            "update records set position = 99 where position = 3; update records set position = 3 where position = 4;"
            "update records set position = 4 where position = 99"
        ),
    ),
    "a header": (
        lambda lines: [line.replace('"python":"3"', '"python":"4"') for line in lines],
        lambda c: c.execute("""update headers set text = replace(text, '"python":"3"', '"python":"4"')"""),
    ),
    "an entry put in": (
        lambda lines: [*lines, lines[-1]],
        lambda c: c.execute(
            "insert into records (header, body, chain) select header, body, chain from records limit 1"
        ),
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_is_found(path, edit):
    log = RecordLog(path)
    for number in range(1, 5):
        log.append([record(number)])
    assert log.problems() == ()
    edited(path, EDITS[edit][path.suffix != ".jsonl"])
    assert RecordLog(path).problems() != ()


def test_a_log_that_was_cut_is_found_by_the_head_that_was_kept(path):
    log = RecordLog(path)
    log.append([record(1), record(2)])
    head = log.append([record(3)])
    edited(path, (lambda lines: lines[:-1]) if path.suffix == ".jsonl" else
           (lambda c: c.execute("delete from records where position = 3")))  # fmt: skip
    again = RecordLog(path)
    assert again.problems() == ()
    assert "cut off" in again.problems(head=head)[0]


def test_sqlite_itself_refuses_to_change_entries(tmp_path):
    RecordLog(tmp_path / "log.sqlite").append([record(1)])
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as connection:
        for statement in ("update records set body = ''", "delete from records", "delete from headers"):
            with pytest.raises(sqlite3.IntegrityError, match="append only"):
                connection.execute(statement)


def test_an_unfinished_line_is_left_out_and_written_over(tmp_path):
    path = tmp_path / "log.jsonl"
    RecordLog(path).append([record(1)])
    with path.open("ab") as file:
        file.write(b'{"body":{"row":"half a li')
    log = RecordLog(path)
    assert "never finished" in log.remark()
    assert list(log) == [record(1)]
    log.append([record(2)])
    assert list(RecordLog(path)) == [record(1), record(2)]
    assert log.remark() == ""
    assert log.problems() == ()


def test_wrong_files_are_refused(tmp_path):
    (tmp_path / "log.sqlite").write_bytes(b"this is no database, but long enough to be one" * 40)
    with pytest.raises(FileError, match="not a database"):
        RecordLog(tmp_path / "log.sqlite")
    with pytest.raises(FileError, match="must end in"):
        RecordLog(tmp_path / "log.txt")
    with pytest.raises(FileError, match="does not exist"):
        RecordLog(tmp_path / "absent" / "log.sqlite")
    (tmp_path / "log.jsonl").write_text("[1, 2]\n")
    with pytest.raises(FileError, match="line 1"):
        RecordLog(tmp_path / "log.jsonl").append([record()])
    with pytest.raises(InputError, match="Recorder"):
        RecordLog(tmp_path / "other.jsonl").append(["text"])


WRITER = """
import json, sys
from dataclasses import replace
from pellucid import Record, RecordLog
log, first, model = RecordLog(sys.argv[1]), int(sys.argv[2]), Record.from_dict(json.loads(sys.argv[3]))
while True:
    head = log.append([replace(model, reference=str(n)) for n in range(first, first + 1000)])
    first += 1000
    print(first, head, flush=True)
"""


def killed_while_writing(path, first, *, batches, wait):
    """Write from `first` on in another process; after so many batches wait, and kill it without warning.

    Returns the last number it acknowledged, and the head of the chain it had then.
    """
    arguments = [sys.executable, "-c", WRITER, str(path), str(first), json.dumps(record().to_dict())]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
        told = "".join(writer.stdout.readline() for _ in range(batches))
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
        finished = [line for line in (told + writer.stdout.read()).splitlines(keepends=True) if line.endswith("\n")]
    number, head = finished[-1].split()
    return int(number), head


@pytest.mark.parametrize(
    ("kills", "decisions", "most_batches"), [(2, 1000, 2), pytest.param(20, 100_000, 8, marks=pytest.mark.heavy)]
)
def test_kill_9_loses_nothing_that_was_acknowledged(path, kills, decisions, most_batches):
    rng = np.random.default_rng(0)
    kept = done = 0
    while done < kills or kept < decisions:
        acknowledged, head = killed_while_writing(
            path, kept, batches=int(rng.integers(1, most_batches)), wait=rng.uniform(0.0, 0.1)
        )
        log = RecordLog(path)
        assert log.problems(head=head) == ()
        kept, done = len(log), done + 1
        assert kept >= acknowledged
    assert [int(found.reference) for found in RecordLog(path)] == list(range(kept))


def test_threads_that_share_a_log_lose_nothing(path):
    log = RecordLog(path)
    with ThreadPoolExecutor(8) as pool:
        heads = list(pool.map(lambda n: log.append([record(n)]), range(40)))
    assert sorted(int(found.reference) for found in RecordLog(path)) == list(range(40))
    assert [log.problems(head=head) for head in heads] == [()] * 40


APPENDER = """
import json, sys
from dataclasses import replace
from pellucid import Record, RecordLog
log, model = RecordLog(sys.argv[1]), Record.from_dict(json.loads(sys.argv[3]))
sys.stdin.readline()
for number in range(60):
    log.append([replace(model, reference=f"{sys.argv[2]} {number}")])
"""


def test_processes_that_share_a_log_lose_nothing(path):
    arguments = [sys.executable, "-c", APPENDER, str(path)]
    model = json.dumps(record().to_dict())
    writers = [subprocess.Popen([*arguments, who, model], stdin=subprocess.PIPE, text=True) for who in "abc"]
    for writer in writers:  # all are let go together
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
    assert RecordLog(path).problems() == ()
    assert sorted(found.reference for found in RecordLog(path)) == sorted(
        f"{who} {number}" for who in "abc" for number in range(60)
    )


def test_every_byte_of_a_line_counts(tmp_path):
    log = RecordLog(tmp_path / "log.jsonl")
    log.append([record(1), record(2)])
    whole = log.path.read_bytes()
    edits = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(whole), 7)]
    edits += [
        whole.replace(b'{"body":{', b'{"body": {', 1),
        whole.replace(b'{"body":{', b'{"body":{"row":"forged",', 1),
        whole.replace(b'{"body":', b'{"body":{},"body":', 1),
    ]
    for edit in edits:
        log.path.write_bytes(edit)
        assert RecordLog(log.path).problems() != () or RecordLog(log.path).remark() != ""

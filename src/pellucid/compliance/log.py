"""`RecordLog`: an append-only log of records, in SQLite or JSON lines, whose entries are chained by their hashes."""

import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pellucid._base.errors import FileError, InputError
from pellucid._base.files import path_of
from pellucid.compliance.fingerprints import canonical, digest
from pellucid.compliance.records import HEADER, Record

START = "0" * 64
"""What the first entry is chained to."""
SQLITE = (".sqlite", ".db")
JSON_LINES = ".jsonl"
_ENTRY = re.compile(r'\{"body":(?P<body>.*),"chain":"(?P<chain>[0-9a-f]{64})","of":"(?P<of>[0-9a-f]{64})"\}')
_HEADER_LINE = re.compile(r'\{"header":(?P<text>.*)\}')
_TABLES = """
create table if not exists headers (hash text primary key, text text not null);
create table if not exists records (
    position integer primary key, header text not null, body text not null, chain text not null);
create trigger if not exists records_stay before update on records begin select raise(abort, 'append only'); end;
create trigger if not exists records_remain before delete on records begin select raise(abort, 'append only'); end;
create trigger if not exists headers_stay before update on headers begin select raise(abort, 'append only'); end;
create trigger if not exists headers_remain before delete on headers begin select raise(abort, 'append only'); end;
"""


@dataclass(frozen=True)
class Line:
    """One entry: its position from 1, the hash and text of its header, its own text, its link of the chain."""

    position: int
    header: str
    body: str
    chain: str


def link(previous: str, header: str, body: str) -> str:
    """Return the link of the chain that follows `previous`."""
    return digest(f"{previous}\n{header}\n{body}")


class Store(Protocol):
    """Where entries lie."""

    def append(self, entries: Sequence[tuple[str, str, str]]) -> str:
        """Add (header hash, header text, body) entries durably, all or none; return the last link."""

    def headers(self) -> dict[str, str]:
        """Texts of the headers by their hash."""

    def lines(self) -> Iterator[Line]:
        """Every entry in order."""

    def remark(self) -> str:
        """Something a reader of the log should know; most often nothing."""


class RecordLog:
    """An append-only log of records. What `append` has returned from is on the disk, whatever happens then.

    Every entry is chained to the one before by SHA-256, so an entry that is edited, put in or taken out is found by
    `problems`. Entries cut off at the end are found by the `head` you kept elsewhere.

    Parameters
    ----------
    path : path-like
        Ends in ``.sqlite`` or ``.db`` (SQLite) or ``.jsonl`` (one JSON object per line). Several processes may write;
        to a ``.jsonl`` one at a time on Windows. Made if it is not there.

    Raises
    ------
    FileError
        When the file is something else, or cannot be written to.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import pellucid
    >>> from sklearn.linear_model import LinearRegression
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]
    >>> recorder = pellucid.Recorder(LinearRegression().fit(X, [0.0, 1.0, 2.0]), X)
    >>> log = pellucid.RecordLog(pathlib.Path(tempfile.mkdtemp()) / "decisions.sqlite")
    >>> head = log.append(recorder(X))
    >>> len(log), log.problems(head=head)
    (3, ())
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path_of(path)
        suffix = self.path.suffix.lower()
        if suffix not in (*SQLITE, JSON_LINES):
            raise FileError(f"a log's name must end in {', '.join((*SQLITE, JSON_LINES))}; got {str(self.path)!r}.")
        if not self.path.parent.is_dir():
            raise FileError(f"the folder {str(self.path.parent)!r} does not exist; create it first.")
        self._store: Store = _JsonLines(self.path) if suffix == JSON_LINES else _Sqlite(self.path)

    def append(self, records: Sequence[Record]) -> str:
        """Add records, all or none.

        Returns
        -------
        str
            The link of the last entry (the head of the chain). Keep it elsewhere to notice a log that was cut.

        Raises
        ------
        FileError
            When they could not be written; then none of them is in the log.
        """
        if isinstance(records, Record):
            records = [records]
        entries = []
        for record in records:
            if not isinstance(record, Record):
                raise InputError(f"a log takes records; got {type(record).__name__}. Make them with Recorder.")
            content = record.to_dict()
            header = canonical({name: content.pop(name) for name in HEADER})
            entries.append((digest(header), header, canonical(content)))
        return self._store.append(entries)

    def __len__(self) -> int:
        return sum(1 for _ in self._store.lines())

    def __iter__(self) -> Iterator[Record]:
        """Every record in order; raises `FileError` at an entry that cannot be read."""
        headers = {name: json.loads(text) for name, text in self._store.headers().items()}
        for line in self._store.lines():
            try:
                yield Record.from_dict({**headers[line.header], **json.loads(line.body)})
            except (InputError, KeyError, ValueError, TypeError) as error:
                raise FileError(f"{self.path}: entry {line.position} is damaged: {error!s:.120}.") from error

    @property
    def head(self) -> str:
        """Link of the last entry."""
        last = START
        for line in self._store.lines():
            last = line.chain
        return last

    def problems(self, *, head: str | None = None) -> tuple[str, ...]:
        """Sentences about entries that are not as they were written; none when the chain holds.

        Parameters
        ----------
        head : str, optional
            A link that `append` returned: it must still be in the chain.
        """
        try:
            return tuple(self._problems(head))
        except FileError as error:
            return (str(error),)

    def _problems(self, head: str | None) -> Iterator[str]:
        headers = self._store.headers()
        for name, text in headers.items():
            if digest(text) != name:
                yield f"The header {name[:12]}… does not have the text it was written with."
        previous, seen = START, head is None or head == START
        for expected, line in enumerate(self._store.lines(), start=1):
            if line.position != expected:
                yield f"Entry {expected} is missing: entry {line.position} stands in its place."
                return
            if link(previous, line.header, line.body) != line.chain or line.header not in headers:
                yield f"Entry {line.position} is not as it was written, or one before it was put in or taken out."
                return
            previous = line.chain
            seen = seen or line.chain == head
        if not seen:
            yield "The head you kept is not in the log: entries at its end were cut off or replaced."

    def remark(self) -> str:
        """Something a reader should know that is no fault, such as a last line that was never finished."""
        return self._store.remark()

    def __repr__(self) -> str:
        return f"RecordLog({str(self.path)!r})"


def _chained(previous: str, entries: Sequence[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """(header hash, body, link) of every entry."""
    for header, _, body in entries:
        previous = link(previous, header, body)
        yield header, body, previous


class _Sqlite:
    """Two tables: headers once, and one row per record."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._open()) as connection:
            self._guarded(lambda: connection.executescript(_TABLES))

    def _open(self) -> sqlite3.Connection:
        def opened() -> sqlite3.Connection:
            connection = sqlite3.connect(self._path, timeout=60.0, isolation_level=None)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")  # a commit is on the disk before it returns
            return connection

        found: sqlite3.Connection = self._guarded(opened)
        return found

    def append(self, entries: Sequence[tuple[str, str, str]]) -> str:
        with closing(self._open()) as connection:
            return str(self._guarded(lambda: self._add(connection, entries)))

    @staticmethod
    def _add(connection: sqlite3.Connection, entries: Sequence[tuple[str, str, str]]) -> str:
        connection.execute("begin immediate")
        try:
            last = connection.execute("select chain from records order by position desc limit 1").fetchone()
            previous = last[0] if last else START
            chained = list(_chained(previous, entries))
            distinct = {header: text for header, text, _ in entries}
            connection.executemany("insert or ignore into headers values (?, ?)", distinct.items())
            connection.executemany("insert into records (header, body, chain) values (?, ?, ?)", chained)
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise
        return chained[-1][2] if chained else previous

    def headers(self) -> dict[str, str]:
        with closing(self._open()) as connection:
            return dict(self._guarded(lambda: connection.execute("select hash, text from headers").fetchall()))

    def lines(self) -> Iterator[Line]:
        with closing(self._open()) as connection:
            query = "select position, header, body, chain from records order by position"
            cursor = self._guarded(lambda: connection.execute(query))
            while batch := self._guarded(lambda: cursor.fetchmany(1000)):
                for position, header, body, chain in batch:
                    yield Line(int(position), str(header), str(body), str(chain))

    def remark(self) -> str:
        return ""

    def _guarded(self, work: Any) -> Any:
        try:
            return work()
        except sqlite3.Error as error:
            raise FileError(f"{self._path} could not be used as a log: {error}.") from error


@contextmanager
def _alone(file: BinaryIO) -> Iterator[None]:
    """Keep other processes that append to the same file waiting, where the system has such locks."""
    try:
        import fcntl  # Windows has none
    except ImportError:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)  # closing the file lets the next one in
    yield


class _JsonLines:
    """One JSON object per line: a header when it is new, else a record with its link."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.touch(exist_ok=True)
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror or error}.") from error
        self._size = -1
        self._known: set[str] = set()
        self._last = START
        self._lock = threading.Lock()

    def append(self, entries: Sequence[tuple[str, str, str]]) -> str:
        with self._lock:
            return self._add(entries)

    def _add(self, entries: Sequence[tuple[str, str, str]]) -> str:
        try:
            with self._path.open("r+b") as file, _alone(file):
                return self._add_to(file, entries)
        except OSError as error:
            self._size = -1
            raise FileError(f"{self._path} cannot be written: {error.strerror or error}.") from error

    def _add_to(self, file: BinaryIO, entries: Sequence[tuple[str, str, str]]) -> str:
        length = file.seek(0, os.SEEK_END)
        if self._size != length:  # first use, or somebody else has written
            self._read_up(self._size if 0 < self._size < length else 0)
        chained = list(_chained(self._last, entries))
        distinct = {header: text for header, text, _ in entries}
        new = {header: text for header, text in distinct.items() if header not in self._known}
        lines = [f'{{"header":{text}}}\n' for text in new.values()]
        lines += [f'{{"body":{body},"chain":"{chain}","of":"{header}"}}\n' for header, body, chain in chained]
        size, self._size = self._size, -1
        file.truncate(size)  # a line that was never finished was never acknowledged
        file.seek(size)
        file.write("".join(lines).encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
        self._size = file.tell()
        self._known |= set(new)
        self._last = chained[-1][2] if chained else self._last
        return self._last

    def _read_up(self, start: int) -> None:
        """Take in what others have written since, or everything."""
        if not start:
            self._known, self._last, self._size = set(), START, 0
        for size, found in self._parsed(start):
            if isinstance(found, str):
                self._known.add(digest(found))
            else:
                self._last = found.chain
            self._size = size

    def _parsed(self, start: int = 0) -> Iterator[tuple[int, str | Line]]:
        """Where each finished line ends, and the header's text or the entry in it, as written: hashes cover all."""
        position, end = 0, start
        with self._path.open("rb") as file:
            file.seek(start)
            for number, raw in enumerate(file, start=1):
                if not raw.endswith(b"\n"):
                    return
                end += len(raw)
                text = raw[:-1].decode("ascii", "replace")
                if entry := _ENTRY.fullmatch(text):
                    position += 1
                    yield end, Line(position, entry["of"], entry["body"], entry["chain"])
                elif header := _HEADER_LINE.fullmatch(text):
                    yield end, header["text"]
                else:
                    raise FileError(f"{self._path}: line {number} is damaged: it is neither a header nor a record.")

    def headers(self) -> dict[str, str]:
        return {digest(found): found for _, found in self._parsed() if isinstance(found, str)}

    def lines(self) -> Iterator[Line]:
        return (found for _, found in self._parsed() if isinstance(found, Line))

    def remark(self) -> str:
        with self._path.open("rb") as file:
            unfinished = any(not raw.endswith(b"\n") for raw in file)
        return "The last line was never finished, so it was never acknowledged; it is left out." if unfinished else ""

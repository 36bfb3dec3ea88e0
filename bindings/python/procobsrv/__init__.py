# SPDX-License-Identifier: MIT
"""Be told about every process that starts or ends.

    import procobsrv

    with procobsrv.Monitor() as monitor:
        for event in monitor:
            print(event.kind, event.process.pid, event.process.argv)

Events and processes are plain, immutable Python objects. Text that is not UTF-8 is decoded as file names
are (os.fsdecode), so os.fsencode gives the exact bytes back. Times end in _ns: nanoseconds, of the wall
clock since 1970 (time_ns) or since boot (boot_ns). What is not known is None, and `missing` says why.
"""
from __future__ import annotations

import ctypes
import enum
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Optional

from . import _library

__all__ = ["Attempt", "Error", "Event", "Exit", "Kind", "Lost", "Monitor", "Process", "Statistics", "backends",
           "version"]

_lib = _library.load()

_OK = 0
_TIMEOUT = -7
_ENDED = -8
_NOT_FOUND = -10
_STOP_DRAIN = 0
_STOP_DISCARD = 1


class Error(Exception):
    """A call of the library failed. `code` is one of enum procobsrv_error."""

    def __init__(self, code: int):
        self.code = code
        super().__init__(_text(_lib.procobsrv_explain()) or _text(_lib.procobsrv_strerror(code)))


class Kind(enum.IntEnum):
    EXISTING = 1
    START = 2
    EXEC = 3
    EXEC_FAILED = 4
    EXIT = 5
    LOST = 6

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Process:
    """A process as it was at the event that carries it."""
    id: str
    pid: int
    name: str
    ppid: Optional[int] = None
    start_time_ns: Optional[int] = None
    start_boot_ns: Optional[int] = None
    ns_pid: Optional[int] = None
    uid: Optional[int] = None
    gid: Optional[int] = None
    euid: Optional[int] = None
    egid: Optional[int] = None
    loginuid: Optional[int] = None
    session: Optional[int] = None
    session_leader: Optional[int] = None
    exe: Optional[str] = None
    cwd: Optional[str] = None
    filename: Optional[str] = None
    script: Optional[str] = None
    interpreter: Optional[str] = None
    argv: Optional[tuple[str, ...]] = None
    env: Optional[tuple[str, ...]] = None
    tty: Optional[str] = None
    cgroup: Optional[str] = None
    cgroup_id: Optional[int] = None
    container_id: Optional[str] = None
    runtime: Optional[str] = None  # "docker", "podman", ...: procobsrv(7)
    unit: Optional[str] = None
    exe_device: Optional[int] = None
    exe_inode: Optional[int] = None
    namespaces: dict[str, int] = field(default_factory=dict)
    command_line: Optional[str] = None
    sid: Optional[str] = None
    exe_nt: Optional[str] = None
    kernel_thread: bool = False
    forked: bool = False  # has not called exec: exe and argv are its parent's
    setuid: bool = False
    setgid: bool = False
    secure: bool = False
    memfd: bool = False
    deleted: bool = False
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exit:
    """How a process ended. code and signal are None if that is not known."""
    code: Optional[int]
    signal: Optional[int]
    core_dumped: Optional[bool]
    duration_ns: Optional[int]
    cpu_ns: Optional[int]
    user_ns: Optional[int]
    system_ns: Optional[int]
    max_rss_bytes: Optional[int]
    threads_unread: int = 0


@dataclass(frozen=True)
class Attempt:
    """An exec that failed."""
    path: Optional[str]
    argv: Optional[tuple[str, ...]]
    error: int
    error_name: Optional[str]


@dataclass(frozen=True)
class Lost:
    """A gap: so many events of each kind were observed but could not be kept."""
    first: int
    count: int
    start: int
    exec: int
    exec_failed: int
    exit: int
    unknown: int
    stage: str
    reason: str
    from_ns: Optional[int]
    to_ns: Optional[int]


@dataclass(frozen=True)
class Event:
    kind: Kind
    seq: int
    cursor: Optional[str]
    time_ns: int
    boot_ns: int
    synthetic: bool
    process: Optional[Process]
    parent: Optional[Process]
    creator: Optional[Process]
    exit: Optional[Exit]
    attempt: Optional[Attempt]
    lost: Optional[Lost]
    json: str = field(repr=False)  # the line that consctl watch --format json writes


@dataclass(frozen=True)
class Statistics:
    """Counters since the start; observed = delivered + filtered + lost + pending."""
    observed: int
    delivered: int
    filtered: int
    lost: int
    pending: int
    synthetic: int
    processes: int
    gaps: int
    resyncs: int
    repeats: int
    ring_size: int
    ring_used: int
    ring_peak: int
    queue_used: int
    queue_peak: int
    spill_used: int
    spill_total: int
    wakeups: int
    resumed_after: int


def _text(data: Optional[bytes]) -> Optional[str]:
    if data is None:
        return None
    return data.decode("utf-8", "surrogatepass") if os.name == "nt" else os.fsdecode(data)


def _texts(items, count: int) -> Optional[tuple[str, ...]]:
    if not items:
        return None
    return tuple(_text(items[index]) for index in range(count))


def _known(value: int, known: int) -> Optional[int]:
    return value if known else None


_FLAGS = {"kernel_thread": 0, "setuid": 1, "setgid": 2, "secure": 3, "memfd": 4, "deleted": 5, "forked": 6}
_TEXTS = ("exe", "cwd", "filename", "script", "interpreter", "tty", "cgroup", "command_line", "sid", "exe_nt",
          "container_id", "runtime", "unit")
_PRESENT = {
    "ppid": 0, "uid": 1, "gid": 1, "euid": 1, "egid": 1, "loginuid": 2, "session": 3, "ns_pid": 4, "cgroup_id": 5,
    "exe_device": 6, "exe_inode": 6, "session_leader": 8, "start_time_ns": 9, "start_boot_ns": 9,
}
_NAMESPACES = ("mount", "pid", "user", "network", "uts", "ipc", "cgroup", "time")


def _process(pointer) -> Optional[Process]:
    if not pointer:
        return None
    raw = pointer.contents
    return Process(
        id=_text(raw.id),
        pid=raw.pid,
        name=_text(raw.name),
        argv=_texts(raw.argv, raw.argc),
        env=_texts(raw.env, raw.env_count),
        namespaces={name: getattr(raw, f"{name}_namespace") for name in _NAMESPACES
                    if getattr(raw, f"{name}_namespace")} if raw.present & 1 << 7 else {},
        missing={_text(raw.missing[index].field): _text(raw.missing[index].reason)
                 for index in range(raw.missing_count)},
        **{name: _text(getattr(raw, name)) for name in _TEXTS},
        **{name: _known(getattr(raw, name), raw.present & 1 << bit) for name, bit in _PRESENT.items()},
        **{name: bool(raw.flags & 1 << bit) for name, bit in _FLAGS.items()},
    )


def _exit(pointer) -> Optional[Exit]:
    if not pointer:
        return None
    raw = pointer.contents
    return Exit(
        code=_known(raw.code, raw.has_status),
        signal=_known(raw.signal, raw.has_status),
        core_dumped=bool(raw.core_dumped) if raw.has_status else None,
        duration_ns=raw.duration_ns or None,
        cpu_ns=_known(raw.cpu_ns, raw.has_usage),
        user_ns=_known(raw.user_ns, raw.has_usage),
        system_ns=_known(raw.system_ns, raw.has_usage),
        max_rss_bytes=_known(raw.max_rss_bytes, raw.has_usage),
        threads_unread=raw.threads_unread,
    )


def _attempt(pointer) -> Optional[Attempt]:
    if not pointer:
        return None
    raw = pointer.contents
    return Attempt(_text(raw.path), _texts(raw.argv, raw.argc), raw.error, _text(raw.error_name))


def _lost(pointer) -> Optional[Lost]:
    if not pointer:
        return None
    raw = pointer.contents
    return Lost(raw.first, raw.count, raw.start, raw.exec, raw.exec_failed, raw.exit, raw.unknown,
                _text(raw.stage), _text(raw.reason), raw.from_ns or None, raw.to_ns or None)


def _json(pointer) -> str:
    buffer = ctypes.create_string_buffer(2048)
    size = _lib.procobsrv_format(pointer, 1, buffer, len(buffer))
    if size >= len(buffer):
        buffer = ctypes.create_string_buffer(size + 1)
        size = _lib.procobsrv_format(pointer, 1, buffer, len(buffer))
    if size < 0:
        raise Error(size)
    return buffer.value.decode("utf-8")


def _event(pointer) -> Event:
    raw = pointer.contents
    return Event(
        kind=Kind(raw.kind),
        seq=raw.seq,
        cursor=_text(raw.cursor),
        time_ns=raw.time_ns,
        boot_ns=raw.boot_ns,
        synthetic=bool(raw.flags & 1),
        process=_process(raw.process),
        parent=_process(raw.parent),
        creator=_process(raw.creator),
        exit=_exit(raw.exit),
        attempt=_attempt(raw.attempt),
        lost=_lost(raw.lost),
        json=_json(pointer),
    )


def _encode(text: Optional[str]) -> Optional[bytes]:
    return None if text is None else os.fsencode(text)


def _list(texts: Iterable[str]):
    """An array that is ended by NULL, or NULL if it would be empty."""
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"a list of names, as [{texts!r}], not a string: each letter would be one")
    encoded = [os.fsencode(text) for text in texts]
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None) if encoded else None


class Monitor:
    """Observes from the `with` on; iterate over it for its events.

    kinds     which to report (default: start, exec, exit, lost)
    match     an expression as of consctl --match; None: everything
    backend   a name of backends(); None: the best that works
    root_pid  only the descendants of this process
    resident  read the resident observer from where its last reader stopped; events count as safe when the
              next one is asked for
    env       names of variables to take at exec
    redact    names of secrets whose values are taken out of arguments and variables; "default": the usual ones

    One thread at a time may iterate; stop() may be called from any thread.
    """

    def __init__(self, *, kinds: Iterable[Kind] = (), match: Optional[str] = None, backend: Optional[str] = None,
                 root_pid: int = 0, resident: bool = False, kernel_threads: bool = False, snapshot: bool = True,
                 env: Iterable[str] = (), redact: Iterable[str] = (), max_args: int = 0, buffer_size: int = 0, queue_size: int = 0,
                 spill_directory: Optional[str] = None, spill_size: int = 0):
        self._monitor = ctypes.c_void_p()
        options = _library.Options(
            size=ctypes.sizeof(_library.Options),
            kinds=sum(1 << Kind(kind) for kind in set(kinds)),
            flags=kernel_threads | resident << 1 | (not snapshot) << 2,
            backend=_encode(backend),
            match=None if match is None else match.encode("utf-8"),
            buffer_size=buffer_size,
            queue_size=queue_size,
            spill_directory=_encode(spill_directory),
            spill_size=spill_size,
            max_args=max_args,
            env=_list(env),
            root_pid=root_pid,
            redact=_list(redact),
        )
        _check(_lib.procobsrv_open(ctypes.byref(options), ctypes.byref(self._monitor)))

    def __enter__(self) -> "Monitor":
        try:
            _check(_lib.procobsrv_start(self._open()))
        except Error:
            self.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """Events until the monitor has been stopped and all of them have been told."""
        while True:
            try:
                event = self.next()
            except StopIteration:
                return
            # Short waits, so that Ctrl-C is noticed.
            if event is not None:
                yield event

    def next(self, timeout_ms: int = 200) -> Optional[Event]:
        """The next event; None: none came in time (-1: waits for ever). StopIteration: there are no more."""
        pointer = ctypes.POINTER(_library.Event)()
        code = _lib.procobsrv_next(self._open(), timeout_ms, ctypes.byref(pointer))
        if code == _TIMEOUT:
            return None
        if code == _ENDED:
            raise StopIteration
        _check(code)
        return _event(pointer)

    def fileno(self) -> int:
        """Polls readable while next(0) has something to say: for select, selectors and asyncio."""
        code = _lib.procobsrv_descriptor(self._open())
        _check(min(code, _OK))
        return code

    def stop(self, *, discard: bool = False) -> None:
        """Ends observing; what was observed can still be iterated over, unless it is discarded."""
        _check(_lib.procobsrv_stop(self._open(), _STOP_DISCARD if discard else _STOP_DRAIN))

    def close(self) -> None:
        """Ends everything. May be called twice."""
        monitor, self._monitor = self._monitor, ctypes.c_void_p()
        if monitor:
            _check(_lib.procobsrv_close(monitor))

    def find(self, pid: int) -> Optional[Process]:
        """A live process by its pid, as the events told so far know it."""
        pointer = ctypes.POINTER(_library.Process)()
        code = _lib.procobsrv_find(self._open(), pid, ctypes.byref(pointer))
        if code == _NOT_FOUND:
            return None
        _check(code)
        try:
            return _process(pointer)
        finally:
            _lib.procobsrv_process_unref(pointer)

    def processes(self) -> list[Process]:
        """All live processes, in the order of their start."""
        found: list[Process] = []

        def visit(pointer, _param) -> int:
            found.append(_process(pointer))
            return 0

        _check(_lib.procobsrv_visit(self._open(), _library.VISIT(visit), None))
        return found

    def statistics(self) -> Statistics:
        raw = _library.Statistics()
        _check(_lib.procobsrv_statistics(self._open(), ctypes.byref(raw), ctypes.sizeof(raw)))
        return Statistics(**{name: getattr(raw, name) for name, _ in raw._fields_})

    @property
    def backend(self) -> str:
        return _text(_lib.procobsrv_backend(self._open()))

    @property
    def limits(self) -> Optional[str]:
        """What this backend misses or costs; None: nothing."""
        return _text(_lib.procobsrv_backend_limits(self._open()))

    def _open(self) -> ctypes.c_void_p:
        if not self._monitor:
            raise ValueError("the monitor is closed")
        return self._monitor

    def __del__(self) -> None:
        if getattr(self, "_monitor", None):
            self.close()


def _check(code: int) -> None:
    if code < _OK:
        raise Error(code)


def backends() -> list[str]:
    """The backends of this build, the best first."""
    names = _lib.procobsrv_backends()
    found = []
    while names[len(found)]:
        found.append(_text(names[len(found)]))
    return found


def version() -> str:
    """Of the library that runs."""
    return _text(_lib.procobsrv_version())

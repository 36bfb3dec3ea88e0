# SPDX-License-Identifier: MIT
"""libprocobsrv as ctypes sees it: structs and functions of procobsrv.h, nothing more.

tests/test_layout.py holds the structs against the header.
"""
from __future__ import annotations

import ctypes
import ctypes.util
import os
from ctypes import POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_size_t, c_ssize_t, c_uint32, c_uint64, c_void_p

SONAME = "procobsrv.dll" if os.name == "nt" else "libprocobsrv.so.0"


class Missing(Structure):
    _fields_ = [("field", c_char_p), ("reason", c_char_p)]


class Process(Structure):
    _fields_ = [
        ("id", c_char_p),
        ("present", c_uint32),
        ("flags", c_uint32),
        ("start_boot_ns", c_uint64),
        ("start_time_ns", c_int64),
        ("pid", c_uint32),
        ("ppid", c_uint32),
        ("ns_pid", c_uint32),
        ("uid", c_uint32),
        ("gid", c_uint32),
        ("euid", c_uint32),
        ("egid", c_uint32),
        ("loginuid", c_uint32),
        ("session", c_uint32),
        ("session_leader", c_uint32),
        ("name", c_char_p),
        ("exe", c_char_p),
        ("cwd", c_char_p),
        ("filename", c_char_p),
        ("script", c_char_p),
        ("interpreter", c_char_p),
        ("argv", POINTER(c_char_p)),
        ("argc", c_size_t),
        ("env", POINTER(c_char_p)),
        ("env_count", c_size_t),
        ("tty", c_char_p),
        ("tty_device", c_uint32),
        ("cgroup_id", c_uint64),
        ("cgroup", c_char_p),
        ("exe_device", c_uint64),
        ("exe_inode", c_uint64),
        ("mount_namespace", c_uint32),
        ("pid_namespace", c_uint32),
        ("user_namespace", c_uint32),
        ("network_namespace", c_uint32),
        ("uts_namespace", c_uint32),
        ("ipc_namespace", c_uint32),
        ("cgroup_namespace", c_uint32),
        ("time_namespace", c_uint32),
        ("exec_id", c_uint64),
        ("missing", POINTER(Missing)),
        ("missing_count", c_size_t),
        ("command_line", c_char_p),
        ("sid", c_char_p),
        ("exe_nt", c_char_p),
        ("container_id", c_char_p),
        ("runtime", c_char_p),
        ("unit", c_char_p),
    ]


class Exit(Structure):
    _fields_ = [
        ("code", c_uint32),
        ("signal", c_uint32),
        ("core_dumped", c_uint32),
        ("has_status", c_uint32),
        ("has_usage", c_uint32),
        ("threads_unread", c_uint32),
        ("duration_ns", c_uint64),
        ("cpu_ns", c_uint64),
        ("user_ns", c_uint64),
        ("system_ns", c_uint64),
        ("max_rss_bytes", c_uint64),
    ]


class Attempt(Structure):
    _fields_ = [
        ("path", c_char_p),
        ("argv", POINTER(c_char_p)),
        ("argc", c_size_t),
        ("error", c_int32),
        ("error_name", c_char_p),
    ]


class Lost(Structure):
    _fields_ = [
        ("first", c_uint64),
        ("count", c_uint64),
        ("start", c_uint64),
        ("exec", c_uint64),
        ("exec_failed", c_uint64),
        ("exit", c_uint64),
        ("unknown", c_uint64),
        ("stage", c_char_p),
        ("reason", c_char_p),
        ("from_ns", c_int64),
        ("to_ns", c_int64),
    ]


class Event(Structure):
    _fields_ = [
        ("kind", c_int),
        ("flags", c_uint32),
        ("seq", c_uint64),
        ("cursor", c_char_p),
        ("time_ns", c_int64),
        ("boot_ns", c_uint64),
        ("process", POINTER(Process)),
        ("parent", POINTER(Process)),
        ("creator", POINTER(Process)),
        ("exit", POINTER(Exit)),
        ("attempt", POINTER(Attempt)),
        ("lost", POINTER(Lost)),
    ]


class Handler(Structure):
    _fields_ = [("on_event", c_void_p), ("param", c_void_p)]


class Options(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("handler", Handler),
        ("kinds", c_uint32),
        ("flags", c_uint32),
        ("backend", c_char_p),
        ("match", c_char_p),
        ("buffer_size", c_uint64),
        ("queue_size", c_uint64),
        ("spill_directory", c_char_p),
        ("spill_size", c_uint64),
        ("max_args", c_uint64),
        ("env", POINTER(c_char_p)),
        ("root_pid", c_uint32),
        ("reserved", c_uint32),
        ("redact", POINTER(c_char_p)),
    ]


class Statistics(Structure):
    _fields_ = [(name, c_uint64) for name in (
        "observed", "delivered", "filtered", "lost", "pending", "synthetic", "processes", "gaps", "resyncs",
        "repeats", "ring_size", "ring_used", "ring_peak", "queue_used", "queue_peak", "spill_used", "spill_total",
        "wakeups", "resumed_after")]


STRUCTS = {
    "procobsrv_missing": Missing,
    "procobsrv_process": Process,
    "procobsrv_exit": Exit,
    "procobsrv_attempt": Attempt,
    "procobsrv_lost": Lost,
    "procobsrv_event": Event,
    "procobsrv_handler": Handler,
    "procobsrv_options": Options,
    "procobsrv_statistics": Statistics,
}

VISIT = ctypes.CFUNCTYPE(c_int, POINTER(Process), c_void_p)

_FUNCTIONS = {
    "procobsrv_open": (c_int, [POINTER(Options), POINTER(c_void_p)]),
    "procobsrv_start": (c_int, [c_void_p]),
    "procobsrv_stop": (c_int, [c_void_p, c_int]),
    "procobsrv_close": (c_int, [c_void_p]),
    "procobsrv_next": (c_int, [c_void_p, c_int, POINTER(POINTER(Event))]),
    "procobsrv_descriptor": (c_ssize_t, [c_void_p]),
    "procobsrv_statistics": (c_int, [c_void_p, POINTER(Statistics), c_size_t]),
    "procobsrv_find": (c_int, [c_void_p, c_uint32, POINTER(POINTER(Process))]),
    "procobsrv_visit": (c_int, [c_void_p, VISIT, c_void_p]),
    "procobsrv_acknowledge": (c_int, [c_void_p, POINTER(Event)]),
    "procobsrv_backend": (c_char_p, [c_void_p]),
    "procobsrv_backend_limits": (c_char_p, [c_void_p]),
    "procobsrv_backends": (POINTER(c_char_p), []),
    "procobsrv_event_ref": (c_void_p, [POINTER(Event)]),
    "procobsrv_event_unref": (None, [c_void_p]),
    "procobsrv_process_unref": (None, [POINTER(Process)]),
    "procobsrv_format": (c_ssize_t, [POINTER(Event), c_int, c_char_p, c_size_t]),
    "procobsrv_kind_name": (c_char_p, [c_int]),
    "procobsrv_strerror": (c_char_p, [c_int]),
    "procobsrv_explain": (c_char_p, []),
    "procobsrv_version": (c_char_p, []),
}


def load() -> ctypes.CDLL:
    """The library: $PROCOBSRV_LIBRARY, else as the system finds it."""
    path = os.environ.get("PROCOBSRV_LIBRARY", SONAME)
    library = ctypes.CDLL(path)
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library

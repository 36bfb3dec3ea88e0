# SPDX-License-Identifier: MIT
"""Monitors of the real kernel: root only."""
import json
import os
import select
import subprocess
import threading
import time
import unittest

import procobsrv
from procobsrv import Kind


def life(monitor, pid):
    """The events of one process, to its end."""
    told = []
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        event = monitor.next()
        if event and event.process and event.process.pid == pid:
            told.append(event)
            if event.kind == Kind.EXIT:
                return told
    raise AssertionError(f"no end of {pid}: {told}")


class Monitors(unittest.TestCase):
    def test_life(self):
        with procobsrv.Monitor() as monitor:
            child = subprocess.Popen(["/bin/sh", "-c", "exit 42", "tag é"])
            child.wait()
            told = life(monitor, child.pid)
        start, last = told[0], told[-1]
        self.assertEqual(start.kind, Kind.START)
        self.assertEqual(start.parent.pid, os.getpid())
        self.assertTrue(start.process.forked)
        self.assertEqual([event.kind for event in told[1:]], [Kind.EXEC, Kind.EXIT])
        self.assertEqual(told[1].process.argv, ("/bin/sh", "-c", "exit 42", "tag é"))
        self.assertEqual(told[1].process.uid, os.getuid())
        self.assertEqual(told[1].process.cwd, os.getcwd())
        self.assertEqual((last.exit.code, last.exit.signal, last.exit.core_dumped), (42, 0, False))
        self.assertGreater(last.exit.duration_ns, 0)
        self.assertGreater(last.exit.max_rss_bytes, 0)
        self.assertLess(start.seq, last.seq)
        self.assertEqual(len({event.process.id for event in told}), 1)
        line = json.loads(last.json)
        self.assertEqual((line["kind"], line["process"]["pid"]), ("exit", child.pid))

    def test_bytes_that_are_not_utf8(self):
        with procobsrv.Monitor(kinds=[Kind.EXEC, Kind.EXIT]) as monitor:
            child = subprocess.Popen([b"/bin/true", b"\xff\xfe"])
            child.wait()
            told = life(monitor, child.pid)
        self.assertEqual(os.fsencode(told[0].process.argv[1]), b"\xff\xfe")

    def test_match_and_failed_exec(self):
        kinds = [Kind.EXEC_FAILED]
        with procobsrv.Monitor(kinds=kinds, match=f"process.ppid == {os.getpid()}") as monitor:
            pid = os.fork()
            if not pid:
                try:
                    os.execv("/nonexistent", ["a", "b"])
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)
            event = monitor.next(60000)
            self.assertEqual((event.attempt.path, event.attempt.argv, event.attempt.error_name),
                             ("/nonexistent", ("a", "b"), "ENOENT"))

    def test_stop_ends_the_iteration(self):
        with procobsrv.Monitor() as monitor:
            subprocess.run(["/bin/true"], check=True)
            threading.Timer(0.3, monitor.stop).start()
            events = list(monitor)
            statistics = monitor.statistics()
        self.assertTrue(events)
        self.assertEqual(statistics.observed, statistics.delivered + statistics.filtered + statistics.lost)
        self.assertEqual(statistics.lost, 0)

    def test_select_and_table(self):
        with procobsrv.Monitor() as monitor:
            self.assertEqual(monitor.backend, "bpf")
            self.assertIsNone(monitor.limits)
            mine = monitor.find(os.getpid())
            self.assertEqual(mine.pid, os.getpid())
            self.assertFalse(mine.forked)
            self.assertIn(mine.id, [process.id for process in monitor.processes()])
            self.assertIsNone(monitor.find(0x7fffffff))
            subprocess.run(["/bin/true"], check=True)
            self.assertTrue(select.select([monitor], [], [], 60)[0])

    def test_errors(self):
        with self.assertRaises(procobsrv.Error) as caught:
            procobsrv.Monitor(match="process.pid ==")
        self.assertEqual(caught.exception.code, -9)
        with self.assertRaisesRegex(procobsrv.Error, "nonsense"):
            procobsrv.Monitor(backend="nonsense")
        with self.assertRaisesRegex(ValueError, "start"):
            procobsrv.Monitor(kinds=["start"])
        with self.assertRaisesRegex(TypeError, "a list of names"):
            procobsrv.Monitor(redact="default")
        monitor = procobsrv.Monitor()
        monitor.close()
        monitor.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            monitor.next()

    def test_module(self):
        self.assertIn("bpf", procobsrv.backends())
        self.assertRegex(procobsrv.version(), r"^\d+\.\d+\.\d+$")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What can go wrong around a running service: each is told clearly, loses nothing that could be kept, and is
over when its cause is, without a restart.

usage: service_faults.py PROCOBSRVD STORM STORM_CHILD PROMTOOL CLOCK_STEP CONSCTL [TEST...]    (as root)

PROCOBSRV_LIVE_LOCKED   seconds for which another program locks the database (2)
PROCOBSRV_LIVE_FAULT    processes of the storm during each fault (1500)
"""
import json
import os
import re
import socket
import sqlite3
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
import service_room  # noqa: E402

LOCKED = float(os.environ.get("PROCOBSRV_LIVE_LOCKED", "2"))
COUNT = int(os.environ.get("PROCOBSRV_LIVE_FAULT", "1500"))

CONFIGURATION = """
record:
  path: {record}
readers:
  socket: /run/procobsrvd/socket
  group: root
metrics:
  listen: {listen}
"""


def free_port():
    """One of this machine that nobody else listens on, and that is nobody's by chance."""
    for port in range(20000 + os.getpid() % 10000, 32000):
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise OSError("no port is free")


class Room:
    """One test's service, storms and record."""

    def __init__(self, programs, work, tap):
        self.port = free_port()
        self.promtool = programs[3]
        self.clock_step = programs[4]
        self.consctl = programs[5]
        self.work = work
        self.tap = tap
        self.disk = work + "/disk"
        self.record = self.disk + "/record.sqlite"
        os.makedirs(self.disk)
        # Small, and nothing else is on it.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m,mode=0700", "tmpfs", self.disk],
                       check=True)
        self.configuration = CONFIGURATION.format(
            record=self.record, listen="unix:" + service_room.METRICS)
        self.service = service_room.Service(programs[0], work, self.configuration)
        self.storms = service_room.Storms(programs[1], programs[2], work)

    def check(self, name, good, *details):
        return self.tap.check(name, good, *details, self.service.read_log())

    def wait_health(self, status, pattern):
        """Waits until /health says so; whether it did."""
        def is_so():
            try:
                now, text = self.service.health()
            except OSError:
                return False  # a socket that is made again is there before it listens
            return now == status and re.search(pattern, text)
        try:
            service_room.wait_for(is_so, "health %d, %s" % (status, pattern))
            return True
        except TimeoutError:
            return False

    @staticmethod
    def comes_true(condition):
        """Whether it does, soon: what is told of a change may be told before it or after it."""
        try:
            service_room.wait_for(condition, "it")
            return True
        except TimeoutError:
            return False

    def wait_log(self, pattern, since=0):
        return self.comes_true(lambda: self.service.has_logged(pattern, since))

    def expect_recovery(self, name):
        self.check(name + ": it is well again, by itself", self.wait_health(200, "^ok$"),
                   self.service.health())
        self.service.wait_done()
        self.check(name + ": what was observed adds up", self.service.metrics().adds_up(),
                   self.service.metrics())
        self.check(name + ": it stops", self.service.stop() == 0)
        wrong = service_room.compare(service_room.open_record(self.record), self.storms)
        self.check(name + ": every process is on record once, no losses", not wrong,
                   "\n".join(wrong[:20]))


def fill(path):
    """Takes all room that is left."""
    with open(path, "wb", buffering=0) as out:
        for size in (65536, 4096):
            try:
                while out.write(b"x" * size):
                    pass
            except OSError:
                continue


def disk_full(room):
    room.service.start()
    room.storms.run(COUNT // 10)
    fill(room.disk + "/filler")
    room.storms.run(COUNT)
    room.check("disk full: health says so", room.wait_health(503, "sink record: .*full"),
               room.service.health())
    room.check("disk full: the log says so", room.wait_log("record.*full"))

    # What is left of its log may take a few more, and then fail again.
    def metrics_say_so():
        figures = room.service.metrics()
        return figures.of_sink("procobsrv_sink_up", "record") == 0 and \
            figures.of_sink("procobsrv_sink_failures_total", "record") > 0 and \
            figures.of_sink("procobsrv_sink_lag_seconds", "record") > 0
    room.check("disk full: metrics say so", room.comes_true(metrics_say_so), room.service.metrics())
    os.unlink(room.disk + "/filler")
    room.expect_recovery("disk full")


def read_only(room):
    subprocess.run(["mount", "-o", "remount,ro", room.disk], check=True)
    room.service.start()
    room.check("read-only: health says so", room.wait_health(503, "sink record: .*[Rr]ead-only"),
               room.service.health())
    room.check("read-only: the log says so", room.wait_log("record.*[Rr]ead-only"))
    room.storms.run(COUNT)
    subprocess.run(["mount", "-o", "remount,rw", room.disk], check=True)
    room.expect_recovery("read-only")


def locked(room):
    room.service.start()
    room.storms.run(COUNT // 10)
    room.service.wait_done()
    other = sqlite3.connect(room.record, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begin = time.monotonic()
    room.storms.run(COUNT)
    room.check("locked: health says so", room.wait_health(503, "sink record: .*locked"),
               room.service.health())
    time.sleep(max(0.0, LOCKED - (time.monotonic() - begin)))
    other.execute("ROLLBACK")
    other.close()
    room.expect_recovery("locked")


class Seen:
    """A file of JSON lines that grows: which processes of storms are in it, and that nothing is twice."""

    def __init__(self, path, storms):
        self.path = path
        self.name = '"name":"%s"' % storms.name
        self.offset = 0
        self.tags = set()
        self.cursors = set()
        self.wrong = []

    def read(self):
        with open(self.path, encoding="utf-8", errors="replace") as lines:
            lines.seek(self.offset)
            for line in iter(lines.readline, ""):
                if not line.endswith("\n"):
                    break
                self.offset = lines.tell()
                self.take(line)
        return self

    def take(self, line):
        kind = re.search('"kind":"([^"]*)"', line)[1]
        if kind == "lost":
            self.wrong.append(line)
        if kind not in ("start", "exec", "exit"):
            return
        cursor = re.search('"cursor":"([^"]*)"', line)[1]
        if cursor in self.cursors:
            self.wrong.append("twice: " + line)
        self.cursors.add(cursor)
        tag = re.search('"argv":\\["[^"]*","([0-9a-f]{16})"', line)
        if kind == "exit" and tag and self.name in line:
            self.tags.add(tag[1])

    def has(self, storms):
        return self.read().tags >= {child[0] for child in storms.children()}


def behind(room):
    """While the record is locked and its queue is full, all others go on; then it is told what passed it by."""
    lines = room.disk + "/events.jsonl"
    output = room.work + "/watched"
    room.configuration = room.configuration.replace("record:", "record:\n  queue: 1000") + \
        "json-lines:\n  path: %s\n" % lines
    room.service.configure(room.configuration)
    room.service.start()
    watch = subprocess.Popen([room.consctl, "watch", "-j", "--backend", "service", "--output", output],
                             stderr=subprocess.PIPE, text=True)
    watch.stderr.readline()
    room.storms.run(COUNT // 10)
    room.service.wait_done()
    others = [Seen(output, room.storms), Seen(lines, room.storms)]

    def wait_others(what):
        for seen in others:
            room.comes_true(lambda seen=seen: seen.has(room.storms))
            room.check("behind: %s: all is in %s, once" % (what, os.path.basename(seen.path)),
                       seen.has(room.storms) and not seen.wrong, len(seen.tags), seen.wrong[:5])

    other = sqlite3.connect(room.record, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    room.storms.run(COUNT)
    wait_others("locked")

    # What others on the machine do goes on between two figures.
    def metrics_say_so():
        figures = room.service.metrics()
        parts = [figures.of_sink("procobsrv_sink_%s" % name, "record") for name in (
            "taken_events_total", "filtered_events_total", "waiting_events")]
        return figures.of_sink("procobsrv_sink_behind_events", "record") > 3 * COUNT / 2 and \
            figures["procobsrv_lost_events_total"] == 0 and \
            abs(sum(parts) - figures.total("procobsrv_events_total")) <= 32
    room.check("behind: metrics say so, nothing is lost and all adds up", room.comes_true(metrics_say_so),
               room.service.metrics())
    other.execute("ROLLBACK")
    room.check("behind: it catches up", room.wait_log("record: has caught up: [0-9]{4}"))
    room.service.wait_done()
    other.execute("BEGIN IMMEDIATE")
    room.storms.run(COUNT)
    wait_others("locked again")
    for _ in range(2):  # the second time nothing has been called safe since the first
        room.service.kill()
        room.service.start()
    room.storms.run(COUNT // 10)
    other.execute("ROLLBACK")
    other.close()
    wait_others("killed")
    room.expect_recovery("behind")
    watch.terminate()
    watch.communicate()


def held_and_killed(room):
    """What waits in memory and on disk, while the database is locked, is that of the next run."""
    room.configuration = "observer:\n  queue-size: 256K\n  behind-size: 0\n" + room.configuration.replace(
        "record:", "record:\n  queue: 1000")
    room.service.configure(room.configuration)
    room.service.start()
    room.storms.run(COUNT // 10)
    room.service.wait_done()
    other = sqlite3.connect(room.record, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    room.storms.run(COUNT)
    room.check("held: it waits on disk, nothing is lost", service_room.wait_for(
        lambda: room.service.metrics()["procobsrv_spill_used_bytes"] > 0, "the spill")
        and room.service.metrics()["procobsrv_lost_events_total"] == 0, room.service.metrics())
    room.service.kill()
    room.storms.run(COUNT // 10)
    room.service.start()
    other.execute("ROLLBACK")
    other.close()
    room.expect_recovery("held and killed")


def damaged(room):
    """A file that is no database any more is set aside, and another one begun."""
    room.service.start()
    room.storms.run(COUNT // 10)
    room.service.wait_done()
    room.service.stop()
    with open(room.record, "r+b") as record:
        record.write(b"nothing of a database" * 100)
    # What it held is in the file that is set aside.
    room.storms.truths.clear()
    room.service.start()
    room.storms.run(COUNT // 10)
    room.check("damaged: the log tells where it went", room.wait_log(r"\.corrupt-"))
    room.check("damaged: it is there", [name for name in os.listdir(room.disk)
                                        if ".corrupt-" in name], os.listdir(room.disk))
    room.expect_recovery("damaged")


def one_of_two(room):
    """Another sink's disk is full: that one loses, says so, and tells how much in its place."""
    small = room.work + "/small"
    os.makedirs(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", small], check=True)
    try:
        room.service.configure(room.configuration +
                               "json-lines:\n  path: %s/events.jsonl\n  queue: 100\n" % small)
        room.service.start()
        room.storms.run(COUNT)
        room.check("one of two: health names it", room.wait_health(503, "sink json-lines: "))
        room.check("one of two: and not the other",
                   "sink record" not in room.service.health()[1], room.service.health())
        # More than its disk takes, and its queue, where some wait on.
        room.service.wait_done(but="json-lines")
        for sink in ("record", "json-lines"):
            def adds_up(sink=sink):
                figures = room.service.metrics()
                parts = [figures.of_sink("procobsrv_sink_%s" % name, sink) for name in (
                    "taken_events_total", "filtered_events_total", "lost_events_total",
                    "waiting_events")]
                return abs(sum(parts) - figures.total("procobsrv_events_total")) <= 32
            room.check("one of two: %s: handed on = taken + filtered + lost + waiting" % sink,
                       room.comes_true(adds_up), room.service.metrics())
        figures = room.service.metrics()
        room.check("one of two: it lost, the other did not",
                   figures.of_sink("procobsrv_sink_lost_events_total", "json-lines") > 0
                   and figures.of_sink("procobsrv_sink_lost_events_total", "record") == 0, figures)
        subprocess.run(["mount", "-o", "remount,size=32m", small], check=True)
        room.storms.run(COUNT // 10)
        room.check("one of two: well again", room.wait_health(200, "^ok$"))

        def told():
            with open(small + "/events.jsonl", encoding="utf-8") as lines:
                return sum(json.loads(line)["count"] for line in lines
                           if '"kind":"lost"' in line and line.endswith("\n"))

        def lost():
            return room.service.metrics().of_sink("procobsrv_sink_lost_events_total", "json-lines")
        # It is well as soon as it has taken what waited; what it lost is the next that it takes.
        room.check("one of two: all that it lost is told in its file",
                   room.comes_true(lambda: told() == lost()), told(), lost())
        room.expect_recovery("one of two")
    finally:
        room.service.stop()
        subprocess.run(["umount", "--lazy", small], check=False)


def sockets(room):
    service = room.service
    service.start()
    for path in (service_room.METRICS, service_room.READERS):
        os.unlink(path)
    room.storms.run(COUNT // 10)
    room.check("sockets: that of the metrics is there again",
               room.comes_true(lambda: os.path.exists(service_room.METRICS)))
    room.check("sockets: the log says so", room.wait_log("removed"))
    room.check("sockets: that of the readers is there again",
               room.comes_true(lambda: os.path.exists(service_room.READERS)))
    room.expect_recovery("sockets")


def configuration(room):
    service = room.service
    service.start()
    room.storms.start(COUNT)
    service.configure(room.configuration + "metrics: [\n")
    since = len(service.read_log())
    service.reload()
    room.check("configuration: the log names file, line and column",
               room.wait_log(r"procobsrvd\.conf:\d+:\d+: ", since))
    name = "procobsrv_config_last_reload_successful"

    def refused():
        figures = service.metrics()
        return figures[name] == 0 and figures["procobsrv_config_failed_reloads_total"] == 1
    # The log comes first.
    room.check("configuration: metrics say so", room.comes_true(refused), service.metrics())
    room.check("configuration: health mentions it",
               room.wait_health(200, "configuration: the last reload failed"), service.health())
    # Metrics elsewhere, and another observer: its reader changes in the middle of the storm.
    service.configure("observer:\n  queue-size: 1M\n" + room.configuration.replace(
        "unix:" + service_room.METRICS, "127.0.0.1:%d" % room.port))
    service.reload()

    def moved():
        try:
            return service_room.ask("/health", place=("127.0.0.1", room.port))[0] == 200
        except OSError:
            return False
    room.check("configuration: metrics move to another place", room.comes_true(moved))
    room.check("configuration: the old place is gone",
               room.comes_true(lambda: not os.path.exists(service_room.METRICS)))
    service.configure(room.configuration)
    service.reload()
    room.check("configuration: health is that of before", room.wait_health(200, "^ok$"))
    room.check("configuration: metrics are well again", room.comes_true(lambda: service.metrics()[name] == 1))
    room.storms.wait()
    room.expect_recovery("configuration")


def clock(room):
    """The wall clock of the service, not the machine's, goes back by a day, then forth again."""
    path = room.work + "/step"

    def set_step(seconds):
        with open(path, "r+b") as out:
            out.write(struct.pack("=q", seconds * 10**9))

    with open(path, "wb") as out:
        out.write(bytes(8))
    room.service.start(environment={"LD_PRELOAD": room.clock_step, "CLOCK_STEP_FILE": path})
    room.storms.run(COUNT // 4)
    # The library looks at the clocks once a second; what runs until then has the time of before.
    def is_told(seconds):
        subprocess.run(["/bin/true"], check=True)
        newest = service_room.open_record(room.record).execute(
            "SELECT time_ns FROM execs ORDER BY id DESC LIMIT 1").fetchone()
        return newest and abs(newest[0] - time.time_ns() - seconds * 10**9) < 3600 * 10**9

    for seconds in (-86400, 0):
        set_step(seconds)
        service_room.wait_for(lambda step=seconds: is_told(step), "the clock that was set", interval=0.1)
        room.storms.run(COUNT // 4)
        room.service.wait_done()
    figures = room.service.metrics()
    room.check("clock: no lag of a day is told",
               0 <= figures.of_sink("procobsrv_sink_lag_seconds", "record") < 60, figures)
    room.expect_recovery("clock")
    record = service_room.open_record(room.record)
    days = record.execute(
        "SELECT count(*) FROM execs WHERE time_ns < (SELECT max(time_ns) FROM execs) - 80000000000000 "
        "AND origin = 3").fetchone()[0]
    room.check("clock: what ran while it was back has the time that it was then",
               days >= COUNT // 4, days)
    wrong = record.execute("SELECT count(*) FROM processes WHERE duration_ns > 3600000000000 AND "
                           "name IN (SELECT id FROM texts WHERE bytes = ?)",
                           (room.storms.name.encode(),)).fetchone()[0]
    room.check("clock: no process ran for a day", wrong == 0, wrong)


def history(room):
    """Who asks while a storm is written gets whole answers, and never that the record is busy."""
    def ask():
        """How many ends of the storm are told, or what is wrong."""
        answer = subprocess.run([room.consctl, "history", "--record", room.record, "-j", "--name",
                                 room.storms.name], capture_output=True, text=True, check=False)
        if answer.returncode or answer.stderr:
            return "%d: %s" % (answer.returncode, answer.stderr)
        kinds = [json.loads(line)["kind"] for line in answer.stdout.splitlines()]
        whole = kinds[0] == "begin" and kinds[-1] == "end"
        return kinds.count("exit") if whole else "cut off: %s" % kinds[-3:]

    room.service.start()
    room.service.wait_done()  # it is there, whole
    room.storms.start(2 * COUNT)
    answers = []
    while not room.storms.has_ended() or len(answers) < 5:
        answers.append(ask())
    room.storms.wait()
    wrong = [answer for answer in answers if isinstance(answer, str)]
    room.check("history: %d answers during a storm, all whole" % len(answers), not wrong, wrong)
    room.check("history: each has what the one before had",
               wrong or all(one <= next for one, next in zip(answers, answers[1:])), answers)
    room.service.wait_done()
    service_room.wait_for(lambda: ask() == 2 * COUNT, "all of the storm in the answer")
    room.check("history: it stops", room.service.stop() == 0)


def listeners(pid):
    """What a process listens on, by address or path."""
    text = subprocess.check_output(["ss", "-lntuxpH"], text=True)
    return sorted(line.split()[4] for line in text.splitlines() if re.search(r"pid=%d\b" % pid, line))


def listening(room):
    room.service.configure(CONFIGURATION.format(record=room.record, listen="127.0.0.1:%d" % room.port))
    room.service.start()
    place = ("127.0.0.1", room.port)
    found = listeners(room.service.process.pid)
    room.check("listening: on what is configured, and nothing else",
               found == ["/run/procobsrvd/socket", "127.0.0.1:%d" % room.port], found)
    status, text = service_room.ask("/metrics", place=place)
    room.check("metrics: 200 and what promtool takes", status == 200 and subprocess.run(
        [room.promtool, "check", "metrics"], input=text, text=True,
        stdout=sys.stderr).returncode == 0, text)
    for path, method, expected in (("/", "GET", 404), ("/metrics/x", "GET", 404),
                                   ("/metrics", "POST", 405), ("/health", "DELETE", 405)):
        status = service_room.ask(path, method, place)[0]
        room.check("metrics: %s %s is %d" % (method, path, expected), status == expected, status)
    room.check("listening: it stops", room.service.stop() == 0)
    room.service.configure("record:\n  path: %s\n" % room.record)
    room.service.start()
    found = listeners(room.service.process.pid)
    room.check("listening: on nothing that is not configured", not found, found)
    room.check("listening: it stops again", room.service.stop() == 0)


TESTS = {test.__name__: test
         for test in (listening, disk_full, read_only, locked, behind, held_and_killed, damaged, one_of_two, sockets,
                      configuration, clock, history)}


def main():
    programs = [os.path.abspath(path) for path in sys.argv[1:7]]
    place = service_room.enter()
    tap = service_room.Tap()
    for name in sys.argv[7:] or TESTS:
        work = "%s/%s" % (place, name)
        os.mkdir(work)
        room = Room(programs, work, tap)
        try:
            TESTS[name](room)
        except Exception as error:  # the next test may still tell something
            tap.check(name, False, repr(error), room.service.read_log())
        finally:
            room.service.stop()
            if room.storms.running is not None:
                room.storms.running.wait()
            subprocess.run(["umount", "--lazy", room.disk], check=False)
    service_room.leave(place)
    return tap.done()


sys.exit(main())

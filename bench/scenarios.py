# SPDX-License-Identifier: MIT
"""What bench/run --scenario shows: a slow handler, readers that are killed, a buffer that overflows.

Each returns the lines to print; those of what is promised begin with "kept" or "missed".
"""
import json
import os
import random
import signal
import statistics
import subprocess
import time

import watchers

KINDS = ("start", "exec", "exit")


class Bench:
    """Where the programs are, and the storm's own child."""

    def __init__(self, build, directory, child, count):
        self.consctl = build + "/consctl/consctl"
        self.storm = build + "/bench/storm"
        self.slow = build + "/bench/slow"
        self.directory = directory
        self.child = child
        self.count = count

    def path(self, name):
        return os.path.join(self.directory, name)

    def start_storm(self):
        return subprocess.Popen([self.storm, "--child", self.child, "-n", str(self.count)],
                                stdout=subprocess.DEVNULL)

    def run_consctl(self, *words):
        return subprocess.run([self.consctl, *words], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


class Reader:
    """consctl watch into a file."""

    def __init__(self, bench, output, *options):
        self.output = output
        self.log = output + ".log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [bench.consctl, "watch", "-j", "--output", output, *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)

    def wait_listening(self):
        self.wait_for(lambda: "watching (" in self.read_log())

    def wait_for(self, condition, interval=0.01):
        begin = time.monotonic()
        while not condition():
            if self.process.poll() is not None or time.monotonic() - begin > watchers.PATIENCE:
                raise SystemExit("bench: consctl does not go on: %s" % self.read_log())
            time.sleep(interval)

    def wait_quiet(self, most=10.0):
        """Until nothing comes for a second; others on the machine may go on to make processes."""
        size, since, begin = -1, time.monotonic(), time.monotonic()
        while time.monotonic() - since < 1.0 and time.monotonic() - begin < most:
            now = os.path.getsize(self.output)
            if now != size:
                size, since = now, time.monotonic()
            time.sleep(0.05)

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def has_told_an_event(self):
        try:
            with open(self.output, "rb") as output:
                return output.read(4096).count(b"\n") > 1  # the first line is no event
        except FileNotFoundError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()


def events_of(path):
    """The lines of a file, one of which may have been cut off when its writer was killed."""
    with open(path, "rb") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue


def verdict(what, kept):
    return "  %s  %s" % ("kept  " if kept else "missed", what)


def slow(bench):
    """A handler that sleeps 100 microseconds at each event."""
    process = subprocess.Popen([bench.slow, "-n", str(bench.count), "-c", bench.child],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    figures = {}
    for line in process.stdout:
        name, value = line.strip().split("=")
        figures[name] = float(value)
        if name == "ring_peak":
            break
    if "ring_peak" not in figures:
        raise SystemExit("bench: slow ended with %s" % process.wait())
    memory = watchers.memory_mib(process.pid)
    process.stdin.close()
    process.wait()
    count = bench.count
    return [
        "slow: a handler that sleeps 100 us at each event, a storm of %d processes" % count,
        "  the storm took %.1f s, the handler %.1f s" % (figures["storm_s"], figures["handled_s"]),
        "  delivered %d, of the storm's %d execs %d, of its exits %d"
        % (figures["delivered"], count, figures["execs"], figures["exits"]),
        "  queue at most %.1f MiB in memory, %.1f MiB went to disk, ring at most %.1f of %.0f MiB"
        % tuple(figures[name] / 2**20
                for name in ("queue_peak", "spilled", "ring_peak", "ring_size")),
        "  peak memory beside the ring %.1f MiB" % memory,
        verdict("lost %d, at most 0" % figures["lost"],
                figures["lost"] == 0 and figures["execs"] == figures["exits"] == count),
        verdict("out of order %d, at most 0" % figures["out_of_order"],
                figures["out_of_order"] == 0),
        verdict("peak memory %.1f MiB, at most 16" % memory, memory <= 16),
    ]


def read_joined(paths, child_name):
    """What all the readers wrote: the storms' events by kind, each once; repeats; lost."""
    seen, told, repeats, lost = set(), dict.fromkeys(KINDS, 0), 0, 0
    for path in paths:
        for event in events_of(path):
            cursor = event.get("cursor")
            if cursor is None:
                continue
            repeats += cursor in seen
            if cursor not in seen and event["kind"] == "lost":
                lost += event["count"]
            elif cursor not in seen and event["process"].get("name") == child_name:
                told[event["kind"]] = told.get(event["kind"], 0) + 1
            seen.add(cursor)
    return told, repeats, lost


def kill_readers(bench, kills):
    """Storms blow while reader after reader is killed: their files, the gaps in ms, the storms."""
    paths, gaps, storms = [], [], 1
    storm = bench.start_storm()
    reader = Reader(bench, bench.path("reader-0"), "--resume")
    paths.append(reader.output)
    reader.wait_listening()
    for turn in range(1, kills + 1):
        time.sleep(random.uniform(0.1, 0.5))
        if storm.poll() is not None:
            storm = bench.start_storm()
            storms += 1
            time.sleep(0.1)
        begin = time.monotonic()
        reader.kill()
        reader = Reader(bench, bench.path("reader-%d" % turn), "--resume")
        paths.append(reader.output)
        reader.wait_for(reader.has_told_an_event, 0.001)
        gaps.append((time.monotonic() - begin) * 1000.0)
    storm.wait()
    reader.wait_quiet()
    reader.end()
    return paths, gaps, storms


def restart(bench, kills=20):
    """The reader of the resident observer is killed, again and again, while storms blow."""
    installed = bench.run_consctl("install")
    if installed.returncode != 0:
        raise SystemExit("bench: %s" % installed.stderr.strip())
    try:
        paths, gaps, storms = kill_readers(bench, kills)
    finally:
        bench.run_consctl("uninstall")
    told, repeats, lost = read_joined(paths, os.path.basename(bench.child))
    verified = bench.run_consctl("verify", *paths)
    if verified.returncode != 0:
        print(verified.stdout)
    made = storms * bench.count
    return [
        "restart: the resident observer's reader is killed %d times in %d storms of %d processes"
        % (kills, storms, bench.count),
        "  from kill -9 until the next reader has written an event: median %.0f ms, most %.0f ms"
        % (statistics.median(gaps), max(gaps)),
        "  repeats (the same cursor) %d" % repeats,
        verdict("lost %d, at most 0" % lost, lost == 0),
        verdict("execs %d, exits %d of %d" % (told["exec"], told["exit"], made),
                told["exec"] == told["exit"] == made),
        verdict("consctl verify finds the files complete", verified.returncode == 0),
    ]


def between_marks(path):
    """By kind, between the processes that mark begin and end: told, and told to be lost."""
    told, lost, inside = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS + ("unknown",), 0), False
    for event in events_of(path):
        mark = event.get("process", {}).get("argv", ["", ""])[1:2]
        if event["kind"] == "exec" and mark == ["mark-end"]:
            return told, lost
        if inside and event["kind"] == "lost":
            for kind in lost:
                lost[kind] += event.get(kind, 0)
        elif inside and event["kind"] in told and not event.get("synthetic"):
            told[event["kind"]] += 1
        inside = inside or (event["kind"] == "exec" and mark == ["mark-begin"])
    raise SystemExit("bench: %s: the end of the storm is not in it" % path)


def overflow(bench):
    """A ring of 64 KiB whose reader is stopped; a second observer has room for all."""
    small = Reader(bench, bench.path("small"), "--buffer-size", "64K")
    large = Reader(bench, bench.path("large"))
    small.wait_listening()
    large.wait_listening()
    subprocess.run([bench.child, "mark-begin", "0"], check=True)
    time.sleep(0.5)
    small.process.send_signal(signal.SIGSTOP)
    bench.start_storm().wait()
    small.process.send_signal(signal.SIGCONT)
    small.wait_quiet()
    subprocess.run([bench.child, "mark-end", "0"], check=True)
    time.sleep(0.5)
    statuses = small.end(), large.end()
    happened, lost_by_large = between_marks(large.output)
    delivered, lost = between_marks(small.output)
    equal = all(happened[kind] - delivered[kind] == lost[kind] for kind in KINDS)
    return [
        "overflow: a ring of 64 KiB, its reader stopped while %d processes pass" % bench.count,
        "  %-6s %10s %10s %10s" % ("", "happened", "delivered", "told lost"),
        *("  %-6s %10d %10d %10d" % (kind, happened[kind], delivered[kind], lost[kind])
          for kind in KINDS),
        verdict("what is missing is what is told to be lost, by kind",
                equal and lost["unknown"] == 0),
        verdict("the reader that lost events ends with status 3, the other with 0",
                statuses == (3, 0) and not any(lost_by_large.values())),
    ]


SCENARIOS = {"slow": slow, "restart": restart, "overflow": overflow}

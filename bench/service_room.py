# SPDX-License-Identifier: MIT
"""A room for the service: a mount namespace with a bpffs, /run and /var/lib of its own, so that it meets
neither the machine's service nor another test's. Runs procobsrvd in it, asks its metrics, and holds its
record against what storms say that they did.
"""
import os
import queue
import re
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

INSIDE = "PROCOBSRV_IN_ROOM"
PATIENCE = 60.0 * float(os.environ.get("PROCOBSRV_LIVE_PATIENCE", "1"))
METRICS = "/run/procobsrvd/metrics"
READERS = "/run/procobsrvd/socket"


def enter():
    """Goes on in a room; what is mounted in it is gone with its last process."""
    if os.geteuid() != 0:
        sys.exit("a service room needs root")
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private",
                              sys.executable, "-B", *sys.argv])
    work = tempfile.mkdtemp(prefix="service-room-", dir=os.environ.get("PROCOBSRV_ROOM_DIRECTORY"))
    os.mkdir(work + "/lib")
    for words in (["-t", "bpf", "bpf", "/sys/fs/bpf"], ["-t", "tmpfs", "tmpfs", "/run"],
                  ["--bind", work + "/lib", "/var/lib"]):
        subprocess.run(["mount", *words], check=True)
    return work


def leave(work):
    subprocess.run(["umount", "--lazy", "/var/lib"], check=False)
    subprocess.run(["rm", "-rf", "--one-file-system", work], check=False)


def wait_for(condition, what, patience=None, interval=0.02):
    """The first true value of condition()."""
    begin = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() - begin > (patience or PATIENCE):
            raise TimeoutError("waited in vain for " + what)
        time.sleep(interval)


def ask(path, method="GET", place=METRICS):
    """Status and text of an answer; place: the path of a Unix socket, or (address, port)."""
    family = socket.AF_UNIX if isinstance(place, str) else \
        socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(place)
        connection.sendall(("%s %s HTTP/1.1\r\nHost: room\r\nConnection: close\r\n\r\n"
                            % (method, path)).encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
    if not answer:
        raise ConnectionError("no answer: who listened there listens no more")
    head, _, text = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), text.decode()


class Metrics(dict):
    """The figures of one answer: by name, and by name{label="value"} as they are written."""

    def __init__(self, text):
        super().__init__()
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                self[name] = float(value)

    def total(self, name):
        return sum(value for key, value in self.items() if key.split("{")[0] == name)

    def of_sink(self, name, sink):
        return sum(value for key, value in self.items()
                   if key.split("{")[0] == name and 'sink="%s"' % sink in key)

    def sinks(self):
        return {key.split('"')[1] for key in self if key.startswith("procobsrv_sink_up{")}

    def adds_up(self):
        parts = ("procobsrv_delivered_events_total", "procobsrv_filtered_events_total",
                 "procobsrv_lost_events_total", "procobsrv_pending_events")
        return self["procobsrv_observed_events_total"] == sum(self[name] for name in parts)


class Service:
    """procobsrvd with a configuration of ours; its log is a file."""

    def __init__(self, program, work, configuration):
        self.program = program
        self.work = work
        self.file = work + "/procobsrvd.conf"
        self.log = work + "/log"
        self.process = None
        os.makedirs("/run/procobsrvd", exist_ok=True)
        self.notices = queue.SimpleQueue()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(work + "/notify")
        threading.Thread(target=self.take_notices, daemon=True).start()
        self.configure(configuration)
        open(self.log, "w", encoding="utf-8").close()

    def take_notices(self):
        """As they come: who tells one waits while there is no room for more."""
        while True:
            self.notices.put(self.notify.recv(65536).decode(errors="replace"))

    def configure(self, text):
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(text)

    def start(self, wait=True, environment=None):
        environment = {**os.environ, **(environment or {}),
                       "NOTIFY_SOCKET": self.work + "/notify"}
        environment.pop(INSIDE)
        while not self.notices.empty():
            self.notices.get()  # of one that was killed
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program, "--config", self.file], stderr=log,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            env=environment)
        if wait:
            self.wait_notice("READY=1")

    def wait_notice(self, text, patience=None):
        end = time.monotonic() + (patience or PATIENCE)
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError("procobsrvd ended with %d:\n%s"
                                   % (self.process.returncode, self.read_log()))
            try:
                if text in self.notices.get(timeout=0.05).split("\n"):
                    return
            except queue.Empty:
                continue
        raise TimeoutError("procobsrvd does not say %s:\n%s" % (text, self.read_log()))

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def has_logged(self, pattern, since=0):
        return re.search(pattern, self.read_log()[since:])

    def metrics(self):
        return Metrics(ask("/metrics")[1])

    def health(self):
        return ask("/health")

    def wait_done(self, patience=None, but=None):
        """Until all that has been observed by now is with every sink, but one that cannot take it; others may
        go on to make processes."""
        target = last = None

        def handed_on():
            nonlocal target, last
            if target is None:
                subprocess.run(["/bin/true"], check=True)  # nothing observed is nothing to go by
            now = self.metrics()
            observed = now["procobsrv_observed_events_total"]
            if not now["procobsrv_observing"] or not observed:
                target = None  # between two readers of the observer
            # Another one begins to count anew, with what the one before has not dealt with.
            elif target is None or observed < last:
                target = observed
            last = observed
            return now if target is not None and observed - now["procobsrv_pending_events"] >= target else None
        handed = wait_for(handed_on, "what was observed to be handed on", patience, 0.1)

        def taken():
            now = self.metrics()
            return all(sum(now.of_sink("procobsrv_sink_%s_events_total" % name, sink)
                           for name in ("taken", "filtered", "lost"))
                       >= handed.total("procobsrv_events_total")
                       for sink in handed.sinks() if sink != but)
        wait_for(taken, "the sinks to take what was observed", patience, 0.1)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """Its exit status after SIGTERM."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def memory(self, field="VmHWM"):
        """Bytes of a field of /proc/PID/status: VmHWM is the peak of VmRSS."""
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as lines:
            for line in lines:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
        return 0


HEADER = struct.Struct("<QIIII5Q")
WORKER = struct.Struct("<IIQQ")
CHILD = struct.Struct("<QQIIBBB5x")


class Storms:
    """Storms and their truth (bench/truth.h)."""

    made = 0

    def __init__(self, storm, child, work):
        self.storm = storm
        # Nobody else's: other storms may blow on the machine.
        Storms.made += 1
        self.child = work + "/s%d_%d" % (os.getpid(), Storms.made)
        self.work = work
        self.truths = []
        self.running = None
        with open(child, "rb") as source, open(self.child, "wb") as copy:
            copy.write(source.read())
        os.chmod(self.child, 0o755)

    @property
    def name(self):
        return os.path.basename(self.child)[:15]

    def command(self, count, rate=0, mode="vfork-exec"):
        """The words of the next one."""
        truth = self.work + "/truth-%d" % len(self.truths)
        self.truths.append(truth)
        words = [self.storm, "--child", self.child, "-n", str(count), "-m", mode, "-t", truth,
                 "--signal-every", "97"]
        return words + (["-r", str(rate)] if rate else [])

    def start(self, count, rate=0, mode="vfork-exec"):
        self.running = subprocess.Popen(self.command(count, rate, mode), stdout=subprocess.PIPE,
                                        text=True)

    def has_ended(self):
        return self.running is None or self.running.poll() is not None

    def wait(self):
        """Processes a second."""
        text = self.running.communicate()[0]
        if self.running.returncode != 0:
            raise RuntimeError("storm ended with %d" % self.running.returncode)
        return float(text.rsplit(",", 1)[1].split()[0])

    def run(self, count, rate=0):
        self.start(count, rate)
        return self.wait()

    def children(self):
        """(tag, pid, ppid, code, signal) of all."""
        for truth in self.truths:
            with open(truth, "rb") as file:
                fields = HEADER.unpack(file.read(HEADER.size))
                file.seek(WORKER.size * fields[4], os.SEEK_CUR)
                for _ in range(fields[5]):
                    tag, _, pid, ppid, code, number, _ = CHILD.unpack(file.read(CHILD.size))
                    yield "%016x" % tag, pid, ppid, code, number


def open_record(path):
    """Read-only; bytes stay bytes."""
    record = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    record.text_factory = bytes
    return record


EXECS = """
SELECT argv.bytes, processes.id, processes.pid, processes.ppid, processes.origin, processes.end_ns,
	processes.code, processes.signal
FROM execs JOIN processes ON processes.id = execs.process JOIN texts AS argv ON argv.id = execs.argv
JOIN texts AS name ON name.id = execs.name WHERE name.bytes = ?"""


def compare(record, storms):
    """What the record has wrong of the storms: a list of lines, empty if every process is in it exactly
    once, with its start, its exec and its exit."""
    wrong = []
    seen = {}
    processes = set()
    for argv, row, pid, ppid, origin, end, code, number in record.execute(
            EXECS, (storms.name.encode(),)):
        tag = argv.split(b"\0")[1].decode()
        if tag in seen:
            wrong.append("the exec of %s is there twice" % tag)
        if row in processes:
            wrong.append("process %d has two execs" % row)
        processes.add(row)
        seen[tag] = (pid, ppid, origin, end, code, number)
    expected = 0
    for tag, pid, ppid, code, number in storms.children():
        expected += 1
        row = seen.pop(tag, None)
        if row is None:
            wrong.append("%s (pid %d) is missing" % (tag, pid))
        elif row[:3] != (pid, ppid, 2):
            wrong.append("%s: pid, ppid, origin are %s, not %d, %d, 2" % (tag, row[:3], pid, ppid))
        elif row[3] is None:
            wrong.append("%s (pid %d) has no end" % (tag, pid))
        elif (row[4] or 0, row[5] or 0) != (code, number):
            wrong.append("%s: ended with %s, not with %d, %d" % (tag, row[4:], code, number))
    wrong += ["%s was never made" % tag for tag in seen]
    for stage, reason, count in record.execute(
            "SELECT stage, reason, sum(count) FROM losses GROUP BY stage, reason"):
        wrong.append("lost %d: %s, %s" % (count, stage.decode(), reason.decode()))
    if expected == 0:
        wrong.append("the storms made nothing")
    return wrong


class Tap:
    """Checks told as TAP does."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, good, *details):
        self.count += 1
        self.failed += not good
        print("%sok %d - %s" % ("" if good else "not ", self.count, name))
        if not good:
            for detail in details:
                for line in str(detail).splitlines()[-25:]:
                    print("# " + line)
        sys.stdout.flush()
        return good

    def done(self):
        print("1..%d" % self.count)
        return 1 if self.failed else 0

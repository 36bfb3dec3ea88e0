# SPDX-License-Identifier: MIT
"""The programs that bench/run compares: how each is started, when it listens, what it has seen."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

STATISTICS = "/proc/sys/kernel/bpf_stats_enabled"
BPFTOOL = shutil.which("bpftool", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
PATIENCE = 30.0  # seconds for a watcher to listen, or to end
QUIET = 0.5  # seconds without output after which a watcher has told all that it will


@contextlib.contextmanager
def bpf_statistics():
    """Lets the kernel count the time of eBPF programs, and restores the setting."""
    with open(STATISTICS, encoding="ascii") as setting:
        before = setting.read()
    with open(STATISTICS, "w", encoding="ascii") as setting:
        setting.write("1")
    try:
        yield
    finally:
        with open(STATISTICS, "w", encoding="ascii") as setting:
            setting.write(before)


def programs():
    """Every eBPF program that is loaded: id -> what bpftool tells of it."""
    if BPFTOOL is None:
        return {}
    listing = json.loads(subprocess.check_output([BPFTOOL, "-j", "prog", "show"]))
    return {program["id"]: program for program in listing}


def program_times(ids):
    """(nanoseconds, calls) so far of the programs with these ids, by name."""
    times = {}
    if not ids:
        return times
    for key, program in programs().items():
        if key in ids:
            name = program.get("name", str(key))
            time_ns, calls = times.get(name, (0, 0))
            times[name] = (time_ns + program.get("run_time_ns", 0),
                           calls + program.get("run_cnt", 0))
    return times


def memory_mib(pid):
    """Peak resident memory less the mapped rings."""
    ring = 0
    with open("/proc/%d/smaps" % pid, encoding="ascii", errors="replace") as smaps:
        in_ring = False
        for line in smaps:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                in_ring = "bpf-map" in line or "bpf_ringbuf" in line
            elif in_ring and line.startswith("Rss:"):
                ring += int(line.split()[1])
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return (peak - ring) / 1024.0


class Watcher:
    name = ""
    is_bpf = False
    listens_after = 1.5  # seconds; where the program does not say so itself

    def __init__(self, build, directory, child):
        self.build = build
        self.child = child  # the program that the storm runs; its name tells this storm's processes
        self.child_name = os.path.basename(child).encode()
        self.output = os.path.join(directory, self.name + ".out")
        self.log = os.path.join(directory, self.name + ".log")
        self.process = None
        self.programs = set()

    def command(self):
        """What to run. Writes to self.output, or to standard output."""
        raise NotImplementedError

    def stream_command(self):
        """The same, writing each event to standard output at once."""
        return self.command()

    def missing(self):
        return shutil.which(self.command()[0]) is None

    def listens(self):
        return time.monotonic() - self.begin >= self.listens_after

    def count(self, lines):
        """(processes captured, events told, what it says of losses)"""
        raise NotImplementedError

    def start(self):
        before = set(programs())
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.output)
        self.begin = time.monotonic()
        with open(self.output, "wb") as out, open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=log)
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() - self.begin > PATIENCE:
                raise SystemExit("bench: %s does not listen: %s" % (self.name, self.read_log()))
            time.sleep(0.01)
        self.programs = set(programs()) - before

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_quiet(self):
        size, since, begin = -1, time.monotonic(), time.monotonic()
        while time.monotonic() - since < QUIET and time.monotonic() - begin < PATIENCE:
            now = os.path.getsize(self.output)
            if now != size:
                size, since = now, time.monotonic()
            time.sleep(0.05)

    def pid(self):
        return self.process.pid

    def stop(self):
        """Ends it: what it has seen, what it took (CPU in seconds, memory in MiB)."""
        memory = memory_mib(self.pid())
        os.kill(self.pid(), signal.SIGINT)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = status
        with open(self.output, "rb") as output:
            captured, events, said = self.count(output)
        return {"captured": captured, "events": events, "said": said, "memory": memory,
                "user": usage.ru_utime, "cpu": usage.ru_utime + usage.ru_stime}

    def idle(self):
        """What it takes to start and to end with nothing between: the lesser of two runs."""
        runs = []
        for _ in range(2):
            self.start()
            self.wait_quiet()
            runs.append(self.stop())
        return {kind: min(run[kind] for run in runs) for kind in ("user", "cpu")}

    def first_event_ms(self):
        """From the start of the command until it has told an exec; None: none in 10 seconds."""
        done = threading.Event()

        def make_processes():
            while not done.wait(0.002):
                subprocess.run([self.child], check=False)

        maker = threading.Thread(target=make_processes)
        maker.start()
        time.sleep(0.2)
        begin = time.monotonic()
        with open(self.log, "wb") as log:
            process = subprocess.Popen(self.stream_command(), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=log)
        net = threading.Timer(10.0, process.kill)
        net.start()
        found = None
        for line in process.stdout:
            if self.child_name in line and self.is_event(line):
                found = (time.monotonic() - begin) * 1000.0
                break
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        process.wait()
        net.cancel()
        done.set()
        maker.join()
        return found

    def is_event(self, line):
        return True


class Consctl(Watcher):
    name = "ProcObsrv"
    is_bpf = True

    def command(self):
        return [self.build + "/consctl/consctl", "watch", "--format", "json",
                "--output", self.output]

    def stream_command(self):
        return [self.build + "/consctl/consctl", "watch", "--format", "json"]

    def listens(self):
        return "watching (" in self.read_log()

    def count(self, lines):
        captured = events = 0
        for line in lines:
            if b'"kind":"begin"' in line or b'"kind":"end"' in line:
                continue
            events += 1
            captured += b'"kind":"exec"' in line and b'"name":"' + self.child_name + b'"' in line
        said = re.search(r"lost ([0-9]+)", self.read_log())
        if said is None:
            return captured, events, "ProcObsrv did not end with its line: " + self.read_log()
        return captured, events, None if said.group(1) == "0" else self.read_log()


class Forkstat(Watcher):
    name = "forkstat"

    def command(self):
        return ["forkstat"]

    def stream_command(self):
        return ["forkstat", "-l"]

    def count(self, lines):
        captured = events = 0
        for line in lines:
            events += 1
            captured += b" exec " in line and self.child_name in line
        return captured, events, None

    def is_event(self, line):
        return b" exec " in line


class Bpftrace(Watcher):
    name = "bpftrace"
    is_bpf = True
    probe = 'tracepoint:sched:sched_process_exec { printf("%d %s\\n", pid, str(args->filename)); }'

    def command(self):
        # tracefs, which bpftrace reads, in a mount namespace of its own: the machine stays as it is.
        script = ("mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null; "
                  'exec bpftrace -B line -e "$1"')
        return ["unshare", "--mount", "sh", "-c", script, "sh", self.probe]

    def missing(self):
        return shutil.which("bpftrace") is None

    def listens(self):
        with open(self.output, "rb") as output:
            return b"Attaching" in output.read(64) and time.monotonic() - self.begin > 3.0

    def count(self, lines):
        captured = sum(self.child_name in line for line in lines)
        return captured, captured, None


class Extrace(Watcher):
    name = "extrace"

    def command(self):
        return ["extrace", "-o", self.output]

    def stream_command(self):
        return ["extrace"]

    def count(self, lines):
        captured = events = 0
        for line in lines:
            events += 1
            captured += self.child_name in line
        return captured, events, None


def create(build, directory, child):
    return [kind(build, directory, child) for kind in (Consctl, Forkstat, Bpftrace, Extrace)]

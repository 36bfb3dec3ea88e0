#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""check_top CONSCTL: consctl top on a pseudo terminal, with real keys; TAP.

What the terminal would show is kept by pyte, a terminal emulator without a window.
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import make_record
import pyte

consctl = sys.argv[1]
# Nobody else sleeps for so long, not even another of these tests.
NAP = "1618.%d" % os.getpid()
NAP_SHOWN = re.escape(NAP)
OTHER_NAP = "2718.%d" % os.getpid()
count = 0
failures = 0


def check(name, fine, told=""):
    global count, failures
    count += 1
    print(f"{'ok' if fine else 'not ok'} {count} - {name}", flush=True)
    if not fine:
        failures += 1
        for line in str(told).splitlines():
            print(f"# {line}", flush=True)


class Terminal:
    # So large that nothing is cut, also of who has two dozen ancestors, as where tests are run by others.
    def __init__(self, arguments, rows=60, columns=200, term="xterm-256color"):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.pid, self.file = pty.fork()
        if not self.pid:
            os.environ.update(TERM=term, LC_ALL="C.UTF-8")
            os.environ.pop("NO_COLOR", None)
            os.execv(consctl, [consctl, "top", *arguments])
        self.resize(rows, columns, tell=False)

    def resize(self, rows, columns, tell=True):
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)
        if tell:
            os.kill(self.pid, signal.SIGWINCH)

    def read(self, seconds):
        limit = time.monotonic() + seconds
        while (left := limit - time.monotonic()) > 0:
            if select.select([self.file], [], [], left)[0]:
                try:
                    data = os.read(self.file, 65536)
                except OSError:
                    return
                self.raw += data
                self.stream.feed(data)

    def keys(self, text, seconds=0.5):
        os.write(self.file, text.encode())
        self.read(seconds)

    def until(self, condition, seconds=30):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            self.read(0.1)
            if condition():
                return True
        return False

    def shows(self, pattern, seconds=30):
        return self.until(lambda: re.search(pattern, self.text(), re.M), seconds)

    def hides(self, pattern):
        return self.until(lambda: not re.search(pattern, self.text(), re.M))

    def text(self):
        return "\n".join(self.screen.display)

    def row_of(self, pattern):
        return next((y for y, line in enumerate(self.screen.display) if re.search(pattern, line)), None)

    def style(self, pattern):
        """Of the first cell that shows something in the row that matches: a blank has no color to see."""
        row = self.row_of(pattern)
        cells = self.screen.buffer[row] if row is not None else {}
        return next((cells[x] for x in range(self.screen.columns) if cells[x].data != " "), None) if cells else None

    def end(self):
        limit = time.monotonic() + 20
        while time.monotonic() < limit:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.read(1)  # what it wrote last
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None


def come_and_go(top, *command):
    """A process, and the colors in which top has shown its life: what is new is so for two seconds, what has ended
    for three. A screen that is seen too late says nothing: then with another one."""
    for _ in range(10):
        process = subprocess.Popen(command)
        pattern = re.escape(" ".join(command))
        top.shows(pattern + r"(?!.*\()")
        begin = top.style(pattern + r"(?!.*\()")
        process.terminate()
        process.wait()
        end = top.shows(pattern + r".*\(signal 15\)", 5) and top.style(pattern + r".*\(signal 15\)")
        told = {"begin": begin and begin.fg, "end": end and end.fg}
        if told == {"begin": "green", "end": "red"}:
            break
        top.hides(pattern)
    return told


def live():
    top = Terminal([])
    check("draws", top.shows(r"^ *PID +PPID USER +AGE +COMMAND"), top.text())
    check("counts", top.shows(r"^\d+ processes  \d+ starts/s  \d+ ends/s"), top.text())
    check("a list", top.shows(r"bpf, list, by newest"), top.text())

    # Not pushed out by what others start.
    top.keys(f"/{NAP}\n")
    told = come_and_go(top, "sleep", NAP)
    check("a new process is green, and red when it has ended", told["begin"] == "green" and told["end"] == "red", told)
    check("an ended process fades", top.hides(NAP_SHOWN + ".*signal"), top.text())
    sleeper = subprocess.Popen(["sleep", NAP])
    check("a new process", top.shows("sleep " + NAP_SHOWN), top.text())

    top.keys(f"t/{NAP}\n")
    check("t makes a tree", top.shows(r"bpf, tree, filtered"), top.text())
    check("/ finds a word", top.shows("sleep " + NAP_SHOWN) and "filtered" in top.text(), top.text())
    # By pid: how much of this program's command line fits depends on how deep it runs.
    check("with its ancestors", top.shows(r"^ *%d " % os.getpid()), top.text())
    top.keys("t")
    check("t makes a list again", top.shows(r"bpf, list, filtered"), top.text())

    def only_what_matches():
        rows = [line for line in top.screen.display[3:-1] if line.strip()]
        return rows and all(NAP in line for line in rows)
    check("of what matches", top.until(only_what_matches), top.text())
    top.keys("/process.ppid == %d\n" % os.getpid())
    check("/ takes expressions", top.shows("sleep " + NAP_SHOWN), top.text())
    top.keys("/process.pid ==\n")
    check("a mistake is told", top.shows(r"^.*column"), top.text())
    top.keys(f"/sleep {NAP}\n")

    top.keys("\r")
    check("Enter tells details", top.shows(r"^argv\[1\] +" + NAP_SHOWN) and top.shows(r"^pid +%d " % sleeper.pid), top.text())
    check("its ancestors", top.shows(r"^parent +%d " % os.getpid()), top.text())
    top.keys("q")
    check("q goes back", top.shows(r"^ *PID +PPID"), top.text())

    sleeper.terminate()
    sleeper.wait()

    top.keys("/process.pid == %d\n" % os.getpid())
    top.shows(r"^ *%d " % os.getpid())
    top.keys("\r")
    top.shows(r"^pid +%d " % os.getpid())

    def tells_child():
        subprocess.run(["sh", "-c", "exit 2"], check=False)
        return top.shows(r"^ended child +\d+ .*\(exit 2\)", 3)
    check("children that have ended", any(tells_child() for _ in range(10)), top.text())
    top.keys("\x1b")
    check("Escape goes back", top.shows(r"^ *PID +PPID"), top.text())

    top.keys("s")
    check("s sorts by pid", top.shows(r"by pid"), top.text())
    top.keys("/\n")
    top.keys(" ")
    check("space pauses", top.shows(r"PAUSED"), top.text())
    another = subprocess.Popen(["sleep", OTHER_NAP])
    top.read(1)
    check("the picture stays", OTHER_NAP not in top.text(), top.text())
    top.keys(f" /{OTHER_NAP}\n")
    check("and goes on", top.shows(re.escape(OTHER_NAP)), top.text())
    another.kill()
    another.wait()

    top.resize(12, 60)
    check("resizes", top.shows(r"^ *PID +PPID") and all(len(line) <= 60 for line in top.screen.display), top.text())
    top.resize(2, 10)
    top.read(0.5)
    top.resize(30, 110)
    check("survives a tiny window", top.shows(r"^ *PID +PPID"), top.text())
    top.keys("?")
    check("? helps", top.shows(r"show what matches"), top.text())
    top.keys("qq")
    check("q ends with 0", top.end() == 0)
    check("the terminal is given back", b"\x1b[?1049l" in top.raw[-200:], top.raw[-200:])


def hostile():
    top = Terminal(["--match", "process.argv ~ \"*evil*\""])
    top.shows(r"PID +PPID")
    evil = subprocess.Popen(["sh", "-c", "sleep 30; :", "evil\x1b]0;owned\x07\x1b[2J"])
    check("hostile arguments are shown", top.shows(r"evil\\"), top.text())
    check("and do not steer the terminal", b"owned\x07" not in top.raw and top.screen.title != "owned")
    evil.kill()
    evil.wait()
    os.kill(top.pid, signal.SIGTERM)
    check("SIGTERM ends it with 0", top.end() == 0)
    top = Terminal([])
    top.shows(r"PID +PPID")
    top.keys("\x03")
    check("Ctrl-C ends it with 0", top.end() == 0)


def storm():
    """While processes come and go as fast as they can, keys are answered and the picture is new."""
    top = Terminal([])
    top.shows(r"PID +PPID")
    shell = subprocess.Popen(["sh", "-c", "while :; do /bin/true; done"])
    other = subprocess.Popen(["sh", "-c", "while :; do (:); done"])
    check("a storm is counted", top.shows(r" [1-9]\d+ starts/s"), top.text())
    begin = time.monotonic()
    top.keys("?", 0)
    answered = top.shows(r"show what matches")
    print(f"# answered after {time.monotonic() - begin:.2f} s", flush=True)
    check("a key is answered", answered, top.text())
    for process in (shell, other):
        process.kill()
        process.wait()
    top.keys("qq")
    check("ends with 0", top.end() == 0)


def recorded():
    """What the service has recorded of a process before top began."""
    if "built without" in subprocess.run([consctl, "history"], capture_output=True, text=True, check=False).stderr:
        return
    sleeper = subprocess.Popen(["sleep", NAP])
    listed = subprocess.run([consctl, "list", "-j", "--match", f"process.pid == {sleeper.pid}"], capture_output=True,
                            text=True, check=True)
    identity = json.loads(listed.stdout)["process"]["id"]
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "record.sqlite")
        schema = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../sinks/record.sql")
        record = make_record.Record(schema, path)
        now = time.time_ns()
        parent = record.process(sleeper.pid, now - 9 * 10**9, name="sleep", exe="/usr/bin/sleep")
        record.database.execute("UPDATE processes SET identity = ? WHERE id = ?", (identity, parent))
        child = record.process(4711, now - 8 * 10**9, parent, sleeper.pid, end=now - 7 * 10**9, code=3, signal=0)
        record.exec(child, now - 8 * 10**9, ["build", "--all\x1b[2J"], "/usr/bin/build")
        record.close()
        for option, wanted in ((path, True), (path + "x", False)):
            top = Terminal(["--record", option])
            top.shows(r"bpf, list")
            top.keys(f"/sleep {NAP}\n")
            top.shows("sleep " + NAP_SHOWN)
            top.keys("\r")
            check("details with a record" if wanted else "without one", top.shows(r"^argv\[1\] +" + NAP_SHOWN), top.text())
            child = r"^child before +4711 build .*x1b\[2J.* \(exit 3\)"
            check("a child that ended before" if wanted else "nothing of that",
                  top.shows(child) if wanted else not re.search(child, top.text(), re.MULTILINE), top.text())
            top.keys("qq")
            check("ends with 0", top.end() == 0)
    sleeper.kill()
    sleeper.wait()


def refusals():
    done = subprocess.run([consctl, "top"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    check("no terminal: 1", done.returncode == 1 and "terminal" in done.stderr, done.stderr)
    top = Terminal([], term="no-such-terminal")
    check("an unknown terminal: 1", top.end() == 1)
    check("and said", b"no-such-terminal" in top.raw, top.raw)
    top = Terminal([], term="dumb")
    check("a terminal without a cursor: 1", top.end() == 1)
    check("and said", b"cannot move its cursor" in top.raw, top.raw)
    top = Terminal(["--match", "process.pid =="])
    check("a mistake in --match: 2", top.end() == 2)
    top = Terminal(["--nonsense"])
    check("no such option: 2", top.end() == 2)


live()
hostile()
storm()
recorded()
refusals()
print(f"1..{count}")
sys.exit(failures != 0)

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Readers of the service: many, slow, dead, hostile and without rights. TAP.

usage: check_readers.py READERS_HOST CONSCTL CROWD STORM STORM_CHILD

PROCOBSRV_READERS, PROCOBSRV_READERS_PROCESSES and PROCOBSRV_READERS_MEMORY (bytes) make it larger.
"""
import json
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

HOST, CONSCTL, CROWD, STORM, CHILD = sys.argv[1:6]
READERS = int(os.environ.get("PROCOBSRV_READERS", "50"))
PROCESSES = int(os.environ.get("PROCOBSRV_READERS_PROCESSES", "5000"))
MEMORY = int(os.environ.get("PROCOBSRV_READERS_MEMORY", str(32 << 20)))
NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
GROUPS = 200
MAGIC = 0x5653424F
HELLO, SNAPSHOT, STATISTICS, BYE, WELCOME, ERROR = 1, 2, 3, 4, 101, 106
CORRUPT, VERSION = -12, -13

passed = True
number = 0


def tell(good, what, *details):
    global passed, number
    number += 1
    passed = passed and good
    print(f"{'ok' if good else 'not ok'} {number} - {what}", flush=True)
    for detail in details if not good else ():
        for line in str(detail).splitlines():
            print("#", line)


class Host:
    """The socket of the readers, with a private monitor behind it."""

    def __init__(self, path, memory, count, others):
        self.path = path
        self.child = subprocess.Popen(
            [HOST, path, str(memory), str(count), others],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.child.stdout.readline() != "ready\n":
            print("Bail out! the host of the readers does not observe")
            sys.exit(1)
        self.environment = dict(os.environ, PROCOBSRV_SERVICE_SOCKET=path)

    def resident_kib(self):
        with open(f"/proc/{self.child.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])

    def run(self, arguments, **options):
        return subprocess.run(arguments, env=self.environment, capture_output=True, text=True,
                              timeout=240, **options)

    def end(self):
        self.child.stdin.close()
        last = self.child.stdout.read()
        return self.child.wait(), last


def frame(kind, body=b"", version=1, magic=MAGIC, size=None):
    return struct.pack("<IHHII", magic, version, kind, len(body) if size is None else size, 0) + body


def hello(records=1, kinds=0x16):
    return frame(HELLO, struct.pack("<IIII", records, kinds, 0, 0) + bytes(48))


def talk(path, data, most=1 << 20):
    """Sends and reads until the service closes; the kinds of the answers, and the last error."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(path)
        try:
            connection.sendall(data)
        except OSError:
            pass
        answer = b""
        while len(answer) < most:
            try:
                more = connection.recv(65536)
            except ConnectionResetError:
                break
            except TimeoutError:
                return ["open"], None
            if not more:
                break
            answer += more
    kinds, code = [], None
    while len(answer) >= 16:
        _, _, kind, size, _ = struct.unpack("<IHHII", answer[:16])
        kinds.append(kind)
        if kind == ERROR:
            code = struct.unpack("<i", answer[16:20])[0]
        answer = answer[16 + size:]
    return kinds, code


def check_refusals(host):
    cases = {
        "another protocol": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", CORRUPT),
        "another version": (frame(HELLO, bytes(64), version=9), VERSION),
        "other records": (hello(records=77), VERSION),
        "a frame that is too large": (frame(HELLO, size=0xFFFFFFF0), CORRUPT),
        "a hello that is too short": (frame(HELLO, bytes(8)), CORRUPT),
        "a request before a hello": (frame(SNAPSHOT, bytes(8)), CORRUPT),
        "an unknown request": (hello() + frame(99), CORRUPT),
        "an answer as a request": (hello() + frame(WELCOME, bytes(648)), CORRUPT),
        "two hellos": (hello() + hello(), CORRUPT),
    }
    for name, (data, wanted) in cases.items():
        kinds, code = talk(host.path, data)
        tell(kinds[-1:] == [ERROR] and code == wanted, f"refused: {name}", kinds, code)
    kinds, _ = talk(host.path, hello() + frame(BYE))
    tell(kinds[:1] == [WELCOME], "said hello and bye", kinds)
    for seed in range(50):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(host.path)
            noise = bytes((seed * 7 + i * i * 31) % 256 for i in range(seed * 5))
            try:
                connection.sendall((hello() if seed % 2 else b"") + noise)
            except OSError:
                pass
    listed = host.run([CONSCTL, "list", "--backend", "service"])
    tell(listed.returncode == 0 and str(os.getpid()) in listed.stdout,
         "after all that it still answers", listed.stderr)


def run_crowd(host, directory, count, stopped, killed, processes):
    """The crowd's exit status, its output, and the figures of its last line."""
    truth, child = directory + "/truth", "%s/r%d" % (directory, os.getpid())
    shutil.copy(CHILD, child)
    storm = ["-n", str(processes), "-c", child, "-t", truth]
    ran = host.run([CROWD, *storm, "-s", str(stopped), "-k", str(killed), str(count),
                    STORM, *storm, "--signal-every", "97"])
    lines = ran.stdout.splitlines() or [""]
    figures = dict(word.split("=") for word in lines[-1].split())
    return ran.returncode, ran.stdout + ran.stderr, figures


def check_crowd(host, directory, stopped, killed):
    before = host.resident_kib()
    status, said, figures = run_crowd(host, directory, READERS, stopped, killed, PROCESSES)
    after = host.resident_kib()
    tell(status == 0 and int(figures["whole"]) >= READERS - stopped - killed,
         f"{READERS} readers, {stopped} stopped, {killed} killed, a storm of {PROCESSES} "
         "processes: the others have all, in order", said)
    # The backlog, what is on its way to each, and the host's own ring (mapped twice) and queue.
    bound = MEMORY // 1024 + READERS * 400 + 2 * 16384 + 8192
    print(f"# memory before {before} KiB, after {after} KiB, bound for growth {bound} KiB")
    tell(after - before <= bound, "the memory stays in its bound", before, after)


def check_overtaken(path, directory):
    """The backlog is so small that who is stopped is overtaken, and told so."""
    host = Host(path, 1 << 20, 64, "none")
    status, said, _ = run_crowd(host, directory, 2, 1, 0, PROCESSES)
    found = re.search(r"reader=0 state=stopped good=1 .* lost=(\d+)", said)
    tell(status == 0 and found is not None and int(found[1]) > 0,
         "one that was overtaken is told what it missed, in exact numbers", said)
    refused = host.run(NOBODY + [CONSCTL, "list", "--backend", "service"])
    tell(refused.returncode == 1 and "only root" in refused.stderr,
         "who has no rights is refused, and told why", refused.stderr)
    host.end()


def read_until(child, text, patience=120):
    """What it says up to a line with this text; or all, if it is killed for being late."""
    limit = threading.Timer(patience, child.kill)
    limit.start()
    said = ""
    for line in child.stdout:
        said += line
        if text in line:
            break
    limit.cancel()
    return said


def check_rights(host):
    uid = pwd.getpwnam("nobody").pw_uid
    watch = subprocess.Popen(
        NOBODY + [CONSCTL, "watch", "--backend", "service", "-j", "--kinds",
                  "existing,start,exec,exit,lost"],
        env=host.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = watch.stderr.readline()
    tell("your own processes only" in said, "says whose processes it tells", said)
    subprocess.run(["/bin/true", "secret-of-root"], check=True)
    subprocess.run(NOBODY + ["/bin/true", "for-nobody"], check=True)
    # A child of another's, which gives its rights up without another program.
    subprocess.run([sys.executable, "-c", f"import os; os.setuid({uid}) # secret-of-root"],
                   check=True)
    # With what comes after all that, all that came.
    subprocess.run(NOBODY + ["/bin/true", "the-last"], check=True)
    told = read_until(watch, '"the-last"')
    watch.terminate()
    told += watch.communicate(timeout=60)[0]
    events = [json.loads(line) for line in told.splitlines()]
    processes = [event["process"] for event in events if "process" in event]
    tell(any(process.get("argv") == ["/bin/true", "for-nobody"] for process in processes),
         "a reader without rights sees his own", told)
    tell("secret-of-root" not in told and
         all(process.get("uid", uid) == uid for process in processes),
         "and nothing of others", told)


def make_group(mount, name, number):
    """A control group in which one process runs, and which is gone when this returns."""
    path = f"{mount}/procobsrv-readers-{name}-{number}"
    os.mkdir(path)
    child = os.fork()
    if not child:
        with open(path + "/cgroup.procs", "w", encoding="ascii") as processes:
            processes.write("0")
        os.execv("/bin/true", ["true", f"{name}-{number}"])
    os.waitpid(child, 0)
    os.rmdir(path)


def read_as_nobody(path, mark):
    """A process without rights that reads until the mark, and ends with 0 if it is told nothing of groups that it
    is not in."""
    ready, said = os.pipe()
    child = os.fork()
    if child:
        os.close(said)
        os.read(ready, 1)
        os.close(ready)
        return child
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setresgid(nobody.pw_gid, nobody.pw_gid, nobody.pw_gid)
    os.setresuid(nobody.pw_uid, nobody.pw_uid, nobody.pw_uid)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(path)
        connection.sendall(hello())
        told = connection.recv(1 << 20)
        os.write(said, b"r")
        while mark not in told:
            more = connection.recv(1 << 20)
            if not more:
                os._exit(2)
            told += more
    os._exit(b"/procobsrv-readers-" in told)


def read_groups(host, mount, name):
    """What a reader is told, who looks when the groups are gone: the ends of paths, by process. None: it was
    overtaken, by what others on the machine do."""
    watch = subprocess.Popen([CONSCTL, "watch", "--backend", "service", "-j"],
                             env=host.environment, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    watch.stderr.readline()
    watch.send_signal(signal.SIGSTOP)
    for number in range(GROUPS):
        make_group(mount, name, number)
    watch.send_signal(signal.SIGCONT)
    told = {}
    for line in watch.stdout:
        event = json.loads(line)
        if event["kind"] == "lost":
            told = None
            break
        process = (event.get("process", {}).get("argv") or [""])[-1]
        if process.startswith(name + "-") and event["kind"] in ("exec", "exit"):
            path = event["process"].get("cgroup_path", "")
            told.setdefault(process, []).append(path.rsplit("-", 1)[-1])
        if process == f"{name}-{GROUPS - 1}" and event["kind"] == "exit":
            break
    watch.kill()
    watch.communicate()
    return told


def check_groups(host):
    """The paths of control groups that are gone before anybody could look."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        found = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    if not found:
        tell(True, "control groups # SKIP there is no unified hierarchy")
        return
    other = read_as_nobody(host.path, b"own-mark")
    for turn in range(10):
        name = f"group-{os.getpid()}-{turn}"
        told = read_groups(host, found[0], name)
        if told is not None:
            break
    subprocess.run(NOBODY + ["/bin/true", "own-mark"], check=True)
    wrong = [number for number in range(GROUPS)
             if (told or {}).get(f"{name}-{number}") != [str(number)] * 2]
    tell(not wrong, f"{GROUPS} control groups that were gone at once: each has its path", wrong, told)
    tell(os.waitpid(other, 0)[1] == 0, "who has no rights is told nothing of them")


def lose_service(path):
    """A watch whose service ends and does not come back."""
    host = Host(path, 1 << 20, 64, "own")
    watch = subprocess.Popen([CONSCTL, "watch", "--backend", "service"], env=host.environment,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    watch.stderr.readline()
    host.end()
    return watch


def check_lost(watch):
    _, said = watch.communicate(timeout=150)
    tell(watch.returncode == 1 and "not back after" in said, "a watch says why it ended", said)


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = os.path.join(directory, "socket")
        host = Host(path, MEMORY, READERS + 8, "own")
        check_refusals(host)
        lost = lose_service(path + "-lost")
        check_rights(host)
        check_groups(host)
        check_crowd(host, directory, READERS // 5, READERS // 10)
        status, last = host.end()
        print("#", last.strip())
        tell(status == 0 and " lost 0 " in last, "the host has lost nothing", last)
        check_overtaken(path, directory)
        check_lost(lost)
    print(f"1..{number}")
    return 0 if passed else 1


sys.exit(main())

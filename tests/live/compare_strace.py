#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_strace CONSCTL [--time] -- COMMAND...: what consctl run tells of a command against strace.

Runs COMMAND once, under both at the same time, and compares: each successful exec, by pid, path and
arguments in their order, and each process. With --time it also runs it alone, under consctl and under
strace, and prints how long each took.
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

CALLS = "execve,execveat,vfork,fork,clone,clone3"


def text(quoted):
    """Of strace -xx: "\\x2f\\x62..." to bytes as text."""
    return os.fsdecode(bytes.fromhex(quoted.replace("\\x", "")))


def of_strace(folder):
    """Execs by pid, and all pids; each process and thread has a file of its own (-ff)."""
    execs = collections.defaultdict(list)
    pids = set()
    for file in folder.iterdir():
        pid = int(file.suffix[1:])
        for line in file.read_text(encoding="ascii", errors="strict").splitlines():
            found = re.match(r'execve(?:at)?\((?:[^,"]+, )?"([^"]*)", \[(.*?)\], .* = 0$', line)
            if found:
                arguments = [text(argument) for argument in re.findall(r'"([^"]*)"', found.group(2))]
                execs[pid].append((text(found.group(1)), arguments))
            for thread in re.findall(r"^(?:clone|clone3)\(.*CLONE_THREAD.* = (\d+)", line):
                pids.discard(int(thread))
                pids.add(-int(thread))
        pids.add(pid)
    threads = {-pid for pid in pids if pid < 0}
    return execs, {pid for pid in pids if pid > 0} - threads


def of_consctl(path, tracer):
    """The same; strace itself and what it was started by are left out."""
    execs = collections.defaultdict(list)
    pids = set()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event["kind"] == "lost":
                sys.exit(f"compare_strace: lost events: {line}")
            if event["kind"] == "start":
                pids.add(event["process"]["pid"])
            if event["kind"] == "exec":
                process = event["process"]
                execs[process["pid"]].append((process.get("script"), process["argv"]))
    for pid in [pid for pid, run in execs.items() if any(os.path.basename(argv[0]) == tracer for _, argv in run)]:
        del execs[pid]
        pids.discard(pid)
    return execs, pids


def same(theirs, ours):
    """Execs of one process. Of a script the kernel makes the arguments of its interpreter."""
    if len(theirs) != len(ours):
        return False
    for (path, called), (script, argv) in zip(theirs, ours):
        if script is None and called != argv:
            return False
        if script is not None and (path, called[1:]) != (script, argv[argv.index(script) + 1:]):
            return False
    return True


def seconds(command):
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - begin


def main():
    split = sys.argv.index("--")
    consctl, *flags = sys.argv[1:split]
    command = sys.argv[split + 1:]
    with tempfile.TemporaryDirectory() as work:
        trace = pathlib.Path(work) / "trace"
        trace.mkdir()
        lines = pathlib.Path(work) / "lines"
        strace = ["strace", "-ff", "-qq", "-xx", "-s", "1000000", "-o", trace / "of", "-e", f"trace={CALLS}"]
        status = subprocess.run([consctl, "run", "-j", "-o", lines, "--", *strace, "--", *command],
                                stdout=subprocess.DEVNULL, check=False).returncode
        if status:
            sys.exit(f"compare_strace: status {status}")
        theirs, their_pids = of_strace(trace)
        ours, our_pids = of_consctl(lines, "strace")
        for pid in sorted(set(theirs) | set(ours)):
            if not same(theirs.get(pid, []), ours.get(pid, [])):
                sys.exit(f"compare_strace: execs of {pid}:\n  strace  {theirs.get(pid)}\n  consctl {ours.get(pid)}")
        # strace makes processes of its own to try what the kernel can.
        missing = their_pids - our_pids
        if missing:
            sys.exit(f"compare_strace: processes that only strace has: {missing}")
        count = sum(map(len, ours.values()))
        if not count:
            sys.exit("compare_strace: no execs at all")
        print(f"{count} execs of {len(their_pids)} processes: the same")
        if "--time" in flags:
            alone = seconds(command)
            with_consctl = seconds([consctl, "run", "-j", "-o", "/dev/null", "--", *command])
            with_strace = seconds(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}", "--", *command])
            with_seccomp = seconds(["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}",
                                    "--", *command])
            print(f"alone {alone:.2f} s, consctl {with_consctl:.2f} s, strace {with_strace:.2f} s, "
                  f"strace --seccomp-bpf {with_seccomp:.2f} s")


main()

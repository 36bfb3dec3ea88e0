#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a record of known content: make_record.py SCHEMA FILE [PROCESSES]

Without PROCESSES a small one, for cli_history.sh, which says what is in it: times are of 2026-11-22, UTC,
and of the day before. With PROCESSES so many short-lived ones, for figures.
"""
import os
import sqlite3
import sys

KEY = bytes(range(16))
MASK = (1 << 64) - 1
SECOND = 10**9
DAY = 1795305600 * SECOND  # 2026-11-22T00:00:00Z
BOOT = "0b0e4ad5-0000-4000-8000-000000000000"
EXISTING, START, EXEC = 1, 2, 3
FAILED = 4


def rotate(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK


def siphash(data):
    """SipHash-2-4, as sinks/record_hash.h has it."""
    low, high = (int.from_bytes(KEY[at:at + 8], "little") for at in (0, 8))
    v = [low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D, low ^ 0x6C7967656E657261, high ^ 0x7465646279746573]

    def mix(rounds):
        for _ in range(rounds):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1] = rotate(v[1], 13) ^ v[0]
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (rotate(v[0], 32) + v[3]) & MASK
            v[2] = (v[2] + v[1]) & MASK
            v[3] = rotate(v[3], 21) ^ v[0]
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at:at + 8], "little")
        v[3] ^= word
        mix(2)
        v[0] ^= word
    v[2] ^= 0xFF
    mix(4)
    value = v[0] ^ v[1] ^ v[2] ^ v[3]
    return value - (1 << 64) if value >> 63 else value


class Record:
    def __init__(self, schema, path):
        self.database = sqlite3.connect(path)
        with open(schema, encoding="utf-8") as file:
            self.database.executescript(file.read())
        self.database.executescript("PRAGMA user_version = 1; PRAGMA application_id = 0x50724f62; "
                                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN;")
        self.texts = {}
        self.insert("state", name="hash-key", value=KEY)
        self.insert("boots", id=1, boot=BOOT, host="testhost", last_ns=DAY + 86400 * SECOND)

    def insert(self, table, **values):
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        return self.database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})",
                                     list(values.values())).lastrowid

    def text(self, text):
        if text is None:
            return None
        data = text if isinstance(text, bytes) else text.encode()
        if data not in self.texts:
            self.texts[data] = self.insert("texts", hash=siphash(data), bytes=data)
        return self.texts[data]

    def process(self, pid, start, parent=None, ppid=0, origin=START, name="sh", exe=None, uid=0, end=None, code=None,
                signal=None):
        ended = {}
        if end is not None:
            ended = {"end_ns": end, "code": code, "signal": signal, "core_dumped": None if code is None else 0,
                     "duration_ns": end - start, "cpu_ns": 1000000, "user_ns": 0, "system_ns": 0,
                     "max_rss_bytes": 4096000}
        return self.insert("processes", identity=f"0b0e4ad5-{pid:x}-{start - DAY + (1 << 56):x}", boot=1, pid=pid,
                           ppid=ppid, parent=parent, origin=origin, start_ns=start, name=self.text(name),
                           exe=self.text(exe), uid=uid, **ended)

    def exec(self, process, time, argv, exe, uid=0, name=None, origin=EXEC, **others):
        name = name if name is not None else os.path.basename(exe)[:15]
        vector = b"".join((text if isinstance(text, bytes) else text.encode()) + b"\0" for text in argv)
        texts = {key: self.text(value) for key, value in others.items()}
        return self.insert("execs", process=process, origin=origin, time_ns=time, name=self.text(name),
                           exe=self.text(exe), argv=self.text(vector), cwd=self.text("/"), flags=0, uid=uid, gid=uid,
                           euid=uid, egid=uid, loginuid=uid or None, **texts)

    def close(self):
        self.database.execute("COMMIT")
        self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.database.close()


def small(record):
    def at(hour, minute, second=0.0, day=0):
        return DAY + day * 86400 * SECOND + hour * 3600 * SECOND + minute * 60 * SECOND + int(second * SECOND)

    # Ran already when observation began, at 06:00 the day before.
    init = record.process(1, at(0, 0, day=-30), origin=EXISTING, name="systemd", exe="/usr/lib/systemd/systemd")
    record.exec(init, at(6, 0, day=-1), ["/sbin/init"], "/usr/lib/systemd/systemd", origin=EXISTING)
    sshd = record.process(700, at(0, 1, day=-30), init, 1, origin=EXISTING, name="sshd", exe="/usr/sbin/sshd")
    record.exec(sshd, at(6, 0, day=-1), ["sshd: /usr/sbin/sshd -D"], "/usr/sbin/sshd", origin=EXISTING)
    # Yesterday nobody (65534) logs in: a session, a shell, a program that fails, one that is killed.
    session = record.process(1000, at(9, 0, day=-1), sshd, 700, name="sshd", exe="/usr/sbin/sshd",
                             uid=0, end=at(18, 0, day=-1), code=0, signal=0)
    shell = record.process(1001, at(9, 0, 1, day=-1), session, 1000, name="bash", exe="/usr/bin/bash", uid=65534,
                           end=at(17, 59, day=-1), code=0, signal=0)
    record.exec(shell, at(9, 0, 1.1, day=-1), ["-bash"], "/usr/bin/bash", 65534)
    grep = record.process(1002, at(9, 5, day=-1), shell, 1001, name="grep", exe="/usr/bin/grep", uid=65534,
                          end=at(9, 5, 1, day=-1), code=1, signal=0)
    record.exec(grep, at(9, 5, 0.001, day=-1), ["grep", "-r", "two words", "."], "/usr/bin/grep", 65534)
    sleep = record.process(1003, at(9, 6, day=-1), shell, 1001, name="sleep", exe="/usr/bin/sleep", uid=65534,
                           end=at(10, 6, day=-1), code=0, signal=9)
    record.exec(sleep, at(9, 6, 0.001, day=-1), ["sleep", "1d"], "/usr/bin/sleep", 65534)
    # Today: a subshell that runs no program of its own, and fails; one program in the place of another.
    cron = record.process(1100, at(10, 30), init, 1, name="sh", exe="/usr/bin/dash", end=at(10, 30, 40), code=0, signal=0)
    record.exec(cron, at(10, 30, 0.001), ["sh", "-c", "(exit 3); exec backup --all"], "/usr/bin/dash")
    record.process(1101, at(10, 30, 0.002), cron, 1100, name="sh", exe="/usr/bin/dash", end=at(10, 30, 0.003), code=3, signal=0)
    record.exec(cron, at(10, 30, 0.004), ["backup", "--all"], "/usr/local/bin/backup")
    record.insert("attempts", process=cron, time_ns=at(10, 30, 0.0035), path=record.text("/usr/bin/backup"),
                  argv=record.text(b"backup\0--all\0"), error=2)
    tar = record.process(1102, at(10, 30, 10), cron, 1100, name="tar", exe="/usr/bin/tar", end=at(10, 30, 39), code=2, signal=0)
    record.exec(tar, at(10, 30, 10.001), ["tar", "-cf", "/dev/null", "/"], "/usr/bin/tar")
    # The same pid as the shell of yesterday; hostile in every way; still runs.
    evil = record.process(1001, at(11, 0), sshd, 700, name="\x1b[31mred", exe="/tmp/\u202eexe", uid=12345)
    record.exec(evil, at(11, 0, 0.001), [b"\x1b]0;title\x07", b"a\nb", b"\xff\xfe", "\u202egpj"], "/tmp/\u202eexe",
                12345, name="\x1b[31mred", missing=b"argv=truncated\0")
    record.insert("losses", cursor="7:70l1", time_ns=at(12, 0), from_ns=at(11, 59), to_ns=at(12, 0), count=19, starts=6,
                  execs=6, execs_failed=0, exits=7, unknown=0, stage="kernel", reason="ring full")
    last = record.process(1200, at(13, 0), sshd, 700, name="ls", exe="/usr/bin/ls", end=at(13, 0, 0.5), code=0, signal=0)
    record.exec(last, at(13, 0, 0.001), ["ls", "-l"], "/usr/bin/ls", tty="pts/1",
                cgroup="/system.slice/docker-" + "0123456789abcdef" * 4 + ".scope")


def large(record, count):
    """Three events a process, ten days of them; every hundredth fails, each makefile has a hundred children."""
    programs = [f"/usr/bin/program{number}" for number in range(200)]
    names = [record.text(os.path.basename(exe)[:15]) for exe in programs]
    paths = [record.text(exe) for exe in programs]
    vectors = [record.text(f"program{number % 200}\0-o\0file{number}.o\0".encode()) for number in range(5000)]
    step = 10 * 86400 * SECOND // count
    cwd = record.text("/src")
    processes = ("INSERT INTO processes (id, identity, boot, pid, ppid, parent, origin, start_ns, name, exe, uid, end_ns, "
                 "code, signal, core_dumped, duration_ns, cpu_ns, user_ns, system_ns, max_rss_bytes) "
                 "VALUES (?, ?, 1, ?, ?, ?, 2, ?, ?, ?, ?, ?, ?, 0, 0, ?, 1000000, 0, 0, 4096000)")
    execs = ("INSERT INTO execs (id, process, origin, time_ns, name, exe, argv, cwd, flags, uid, gid, euid, egid) "
             "VALUES (?, ?, 3, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)")
    for begin in range(1, count + 1, 10000):
        rows = []
        programs_run = []
        for row in range(begin, min(begin + 10000, count + 1)):
            start = DAY - 10 * 86400 * SECOND + row * step
            parent = row - row % 100 if row % 100 else max(row - 100, 0)
            uid = (0, 1000, 1001, 1002)[row % 4]
            number = row * 7919 % 200
            took = 3600 * SECOND if row % 1000 == 0 else 5000000 + row % 977 * 1000000
            rows.append((row, f"0b0e4ad5-{row:x}-{start:x}", row % 32768 + 1, parent % 32768 + 1, parent or None, start,
                         names[number], paths[number], uid, start + took, int(row % 100 == 7), took))
            programs_run.append((row, row, start + 200000, names[number], paths[number], vectors[row % 5000], cwd, uid, uid,
                                 uid, uid))
        record.database.executemany(processes, rows)
        record.database.executemany(execs, programs_run)


def main():
    record = Record(sys.argv[1], sys.argv[2])
    if len(sys.argv) > 3:
        large(record, int(sys.argv[3]))
    else:
        small(record)
    record.close()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The service takes another configuration again and again while a storm blows, readers come and go, and somebody asks
for metrics: readers are served, then not, then with another memory, by an observer that is replaced. It goes on, its
record holds every process of the storm exactly once, and no reader hangs.

usage: service_reloads.py CONSCTL PROCOBSRVD STORM STORM_CHILD        (as root)

PROCOBSRV_LIVE_RELOADS how often (20)
"""
import os
import random
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
import service_room  # noqa: E402

RELOADS = int(os.environ.get("PROCOBSRV_LIVE_RELOADS", "20"))
RATE = 1000

CONFIGURATION = """
observer:
  max-args: %d
record:
  path: %s/record.sqlite
metrics:
  listen: unix:/run/procobsrvd/metrics
"""
READERS = """
readers:
  group: root
  memory-size: %dM
"""


class Knocker(threading.Thread):
    """Readers, one after the other, each for a moment; or who asks for metrics."""

    def __init__(self, consctl=None):
        super().__init__(daemon=True)
        self.consctl = consctl
        self.ended = threading.Event()
        self.read = self.hung = 0

    def run(self):
        while not self.ended.is_set():
            if self.consctl:
                self.follow()
            else:
                self.ask()

    def ask(self):
        try:
            service_room.ask("/metrics")
        except OSError:
            pass  # nobody listens there just now

    def follow(self):
        reader = subprocess.Popen([self.consctl, "watch", "--backend", "service", "-j"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.01, 0.3))
        reader.send_signal(random.choice([15, 9]))
        try:
            reader.wait(service_room.PATIENCE)
            self.read += 1
        except subprocess.TimeoutExpired:
            self.hung += 1
            reader.kill()
            reader.wait()


def configuration(work, arguments=4096):
    text = CONFIGURATION % (arguments, work)
    return text + READERS % random.choice([8, 16]) if random.random() < 0.6 else text


def main():
    consctl, program, storm, child = map(os.path.abspath, sys.argv[1:5])
    work = service_room.enter()
    tap = service_room.Tap()
    service = service_room.Service(program, work, configuration(work))
    storms = service_room.Storms(storm, child, work)
    knockers = [Knocker(consctl), Knocker(consctl), Knocker(consctl), Knocker()]
    try:
        service.start()
        for knocker in knockers:
            knocker.start()
        for _ in range(RELOADS):
            if storms.has_ended():
                storms.start(4 * RATE, RATE)
            service.configure(configuration(work, random.choice([4096, 8192])))
            service.reload()
            time.sleep(random.uniform(0.02, 0.5))
        alive = service.process.poll() is None
        tap.check("it goes on", alive, service.process.returncode, service.read_log())
        for knocker in knockers:
            knocker.ended.set()
        for knocker in knockers:
            knocker.join()
        tap.check("no reader hangs", not sum(knocker.hung for knocker in knockers))
        storms.wait()
        if alive:
            service.wait_done()
            tap.check("it stops when it is told to", service.stop() == 0, service.read_log())
            wrong = service_room.compare(
                service_room.open_record(work + "/record.sqlite"), storms)
            tap.check("every process exactly once", not wrong, "%d are wrong" % len(wrong),
                      "\n".join(wrong[:20]), service.read_log())
        print("# %d reloads, %d readers" % (RELOADS, sum(knocker.read for knocker in knockers)))
    finally:
        service.stop()
        service_room.leave(work)
    return tap.done()


sys.exit(main())

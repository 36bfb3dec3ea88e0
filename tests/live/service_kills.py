#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The service is killed (SIGKILL) again and again while storms blow, at work and while it starts, and stopped in
between: its record then holds every process of the storms exactly once, with its exec and its exit.

usage: service_kills.py PROCOBSRVD STORM STORM_CHILD        (as root)

PROCOBSRV_LIVE_KILLS      how often (3)
PROCOBSRV_LIVE_STORM_RATE processes a second (4000); 0: as fast as it goes
"""
import os
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench"))
import service_room  # noqa: E402

KILLS = int(os.environ.get("PROCOBSRV_LIVE_KILLS", "3"))
RATE = int(os.environ.get("PROCOBSRV_LIVE_STORM_RATE", "4000"))

CONFIGURATION = """
record:
  path: %s/record.sqlite
metrics:
  listen: unix:/run/procobsrvd/metrics
"""


def main():
    program, storm, child = map(os.path.abspath, sys.argv[1:4])
    work = service_room.enter()
    tap = service_room.Tap()
    service = service_room.Service(program, work, CONFIGURATION % work)
    storms = service_room.Storms(storm, child, work)
    try:
        service.start()
        away = 0.0
        stopped = True
        for turn in range(KILLS):
            if storms.has_ended():
                storms.start(max(2000, RATE), RATE)
            time.sleep(random.uniform(0.1, 0.6))
            service.kill()
            begin = time.monotonic()
            if turn % 3 == 1:
                service.start(wait=False)
                time.sleep(random.uniform(0.0, 0.1))
                service.kill()
            service.start()
            away = max(away, time.monotonic() - begin)
            if turn % 3 == 2:
                time.sleep(random.uniform(0.0, 0.2))
                stopped = stopped and service.stop() == 0
                service.start()
        storms.wait()
        service.wait_done()
        tap.check("what was observed adds up", service.metrics().adds_up(), service.metrics())
        tap.check("it stops when it is told to", stopped and service.stop() == 0,
                  service.read_log())
        wrong = service_room.compare(service_room.open_record(work + "/record.sqlite"), storms)
        tap.check("every process exactly once", not wrong, "%d are wrong" % len(wrong),
                  "\n".join(wrong[:20]), service.read_log())
        print("# %d kills in %d storms, away %.2f s at most" % (KILLS, len(storms.truths), away))
    finally:
        service.stop()
        if not tap.failed or not os.environ.get("PROCOBSRV_ROOM_KEEP"):
            service_room.leave(work)
    return tap.done()


sys.exit(main())

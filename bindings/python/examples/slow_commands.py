#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""slow_commands [SECONDS]: prints each command that took longer than that, until Ctrl-C."""
import shlex
import sys

import procobsrv

least_ns = float(sys.argv[1] if len(sys.argv) > 1 else 1) * 1e9

try:
    with procobsrv.Monitor(kinds=[procobsrv.Kind.EXIT]) as monitor:
        print("watching; Ctrl-C ends", file=sys.stderr, flush=True)
        for event in monitor:
            if (event.exit.duration_ns or 0) >= least_ns:
                command = shlex.join(event.process.argv or [event.process.name])
                print(f"{event.exit.duration_ns / 1e9:9.3f} s  {event.process.pid:7}  {command}", flush=True)
except procobsrv.Error as error:
    sys.exit(f"slow_commands: {error}")
except KeyboardInterrupt:
    pass

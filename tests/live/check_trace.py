#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_trace FILE PROCESSES: holds a trace against the rules of trace events.

"Trace Event Format": every event has ph and pid; a complete event (X) has ts, dur and tid, and those
of one thread nest. https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""
import collections
import decimal
import json
import sys


def fail(text):
    sys.exit(f"check_trace: {text}")


with open(sys.argv[1], encoding="utf-8") as file:
    trace = json.load(file, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
if trace["displayTimeUnit"] not in ("ms", "ns"):
    fail("displayTimeUnit")
threads = collections.defaultdict(list)
for event in trace["traceEvents"]:
    if not isinstance(event["name"], str) or event["pid"] != 1:
        fail(f"name or pid: {event}")
    if event["ph"] == "M":
        if event["name"] not in ("process_name", "thread_name", "thread_sort_index"):
            fail(f"metadata: {event}")
        continue
    if event["ph"] != "X" or event["ts"] < 0 or event["dur"] < 0 or event["tid"] < 1:
        fail(f"event: {event}")
    threads[event["tid"]].append(event)
for tid, events in threads.items():
    events.sort(key=lambda event: (event["ts"], -event["dur"]))
    open_ends = []
    for event in events:
        end = event["ts"] + event["dur"]
        while open_ends and open_ends[-1] <= event["ts"]:
            open_ends.pop()
        if open_ends and end > open_ends[-1]:
            fail(f"slices of thread {tid} overlap: {event}")
        open_ends.append(end)
found = sum("args" in event for events in threads.values() for event in events)
if found != int(sys.argv[2]):
    fail(f"{found} processes, wanted {sys.argv[2]}")

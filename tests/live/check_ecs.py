#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_ecs FILE KIND...: holds documents against the field list in ecs_fields.txt; each KIND must occur
as an event.action."""
import datetime
import json
import pathlib
import sys

FIELDS = dict(line.split() for line in
              (pathlib.Path(__file__).parent / "ecs_fields.txt").read_text(encoding="ascii").splitlines()
              if not line.startswith("#"))
ALLOWED = {
    "event.kind": {"event", "metric", "pipeline_error"},
    "event.category": {"process"},
    "event.type": {"start", "end", "info", "error"},
    "event.outcome": {"success", "failure"},
}
ARRAYS = {"event.category", "event.type", "process.args", "process.env_vars"}


def fail(text):
    sys.exit(f"check_ecs: {text}")


def fits(kind, value):
    if kind == "long":
        return isinstance(value, int) and -2**63 <= value < 2**63
    if kind == "date":
        return bool(datetime.datetime.fromisoformat(value[:26] + "+00:00"))
    return isinstance(value, str)


def walk(prefix, value):
    for key, member in value.items():
        name = f"{prefix}{key}"
        if prefix == "" and key == "procobsrv":
            continue
        if isinstance(member, dict):
            walk(name + ".", member)
            continue
        if name not in FIELDS:
            fail(f"ECS has no {name}")
        if isinstance(member, list) != (name in ARRAYS):
            fail(f"{name}: an array or not")
        for element in member if isinstance(member, list) else [member]:
            if not fits(FIELDS[name], element):
                fail(f"{name}: {element!r} is no {FIELDS[name]}")
            if name in ALLOWED and element not in ALLOWED[name]:
                fail(f"{name}: {element!r} is not allowed")


seen = set()
with open(sys.argv[1], encoding="utf-8") as file:
    for line in file:
        document = json.loads(line)
        for required in ("@timestamp", "ecs", "event"):
            if required not in document:
                fail(f"no {required}: {line}")
        walk("", document)
        seen.add(document["event"]["action"])
missing = set(sys.argv[2:]) - seen
if missing:
    fail(f"no {missing}, only {seen}")

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""validate.py SCHEMA FILE...: holds each line of the files against the JSON schema."""
import json
import sys

import jsonschema


def load(path):
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def holds(validator, path):
    wrong = 0
    lines = 0
    with open(path, encoding="utf-8") as file:
        for lines, line in enumerate(file, 1):
            for error in validator.iter_errors(json.loads(line)):
                wrong += 1
                if wrong <= 5:
                    place = "/".join(map(str, error.absolute_path))
                    print(f"{path}:{lines}: {place}: {error.message[:300]}", file=sys.stderr)
    if not lines:
        print(f"{path}: no lines", file=sys.stderr)
    return lines > 0 and wrong == 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: validate.py SCHEMA FILE...")
    schema = load(sys.argv[1])
    sys.exit(0 if all([holds(schema, path) for path in sys.argv[2:]]) else 1)

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""validate.py SCHEMA FILE: holds each line of FILE against the JSON schema."""
import json
import sys

import jsonschema


def main(schema_path, path):
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    validator = kind(schema)
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
    return 1 if wrong or not lines else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: validate.py SCHEMA FILE")
    sys.exit(main(*sys.argv[1:]))

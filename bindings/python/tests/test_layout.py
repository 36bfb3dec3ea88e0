# SPDX-License-Identifier: MIT
"""The structs of _library.py against those of procobsrv.h, as a C compiler lays them out."""
import ctypes
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from procobsrv import Kind, _library

HEADER = pathlib.Path(__file__).resolve().parents[3] / "include"


def members(header: str, struct: str) -> list:
    body = re.search(rf"^struct {struct} {{(.*?)^}};", header, re.S | re.M).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    names = []
    for statement in body.split(";"):
        pointer = re.search(r"\(\*(\w+)\)", statement)
        word = re.search(r"(\w+)\s*$", statement)
        if pointer or word:
            names.append((pointer or word).group(1))
    return names


class Layout(unittest.TestCase):
    def test_structs(self):
        header = re.sub(r"\t", " ", (HEADER / "procobsrv.h").read_text(encoding="utf-8"))
        program = ["#include <procobsrv.h>", "#include <stdio.h>", "int main(void) {"]
        for struct in _library.STRUCTS:
            program.append(f'printf("{struct} %zu\\n", sizeof(struct {struct}));')
            for name in members(header, struct):
                program.append(f'printf("{struct}.{name} %zu\\n", offsetof(struct {struct}, {name}));')
        program += ["return 0; }"]
        with tempfile.TemporaryDirectory() as work:
            source = pathlib.Path(work) / "layout.c"
            source.write_text("\n".join(program), encoding="ascii")
            binary = pathlib.Path(work) / "layout"
            subprocess.run([os.environ.get("CC", "cc"), "-I", HEADER, source, "-o", binary], check=True)
            wanted = subprocess.run([binary], check=True, capture_output=True, text=True).stdout.split("\n")
        found = []
        for struct, described in _library.STRUCTS.items():
            found.append(f"{struct} {ctypes.sizeof(described)}")
            for name, _ in described._fields_:
                found.append(f"{struct}.{name} {getattr(described, name).offset}")
        self.assertEqual(sorted(found), sorted(line for line in wanted if line))

    def test_kinds(self):
        header = (HEADER / "procobsrv.h").read_text(encoding="utf-8")
        for kind in Kind:
            self.assertRegex(header, rf"PROCOBSRV_{kind.name} = {kind.value},")


if __name__ == "__main__":
    unittest.main()

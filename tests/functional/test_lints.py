# tests/functional/test_lints.py - Plants what each lint of the house forbids and expects it to be found.
import os
import subprocess

import pytest

from conftest import ROOT


def lint(name, *arguments):
    run = subprocess.run([os.path.join(ROOT, "scripts", name), *map(str, arguments)], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


@pytest.mark.parametrize("path, line, complaint", [
    ("base/a.c", '#include "vm/vm.h"', "base/ (floor 0) must not know vm/ (floor 2)"),
    ("hw/a.c", '#include "target/riscv/cpu.h"', "hw/ (floor 4) must not know target/ (floor 4)"),
    ("api/a.c", '#include "host/lock.h"', "must not know host/"),
    ("vm/a.c", '#include "memory.h"', "must be spelled from the root"),
    ("vm/a.c", '#include "misc/a.h"', "stands on no floor"),
    ("tcg/a.c", "#ifdef __linux__", "asks for __linux__"),
    ("tools/a.c", '#include "hw/a.h"', "must not know hw/"),
])
def test_floors_finds(tmp_path, path, line, complaint):
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_text(line + "\n")
    status, text = lint("check-floors", tmp_path)
    assert status == 1 and complaint in text


@pytest.mark.parametrize("path, line", [("hw/a.c", '#include "vm/vm.h"'), ("tcg/x86_64/a.c", "#ifdef __x86_64__"), ("tests/a.c", '#include "system/a.h"')])
def test_floors_allows(tmp_path, path, line):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(line + "\n")
    assert lint("check-floors", tmp_path)[0] == 0


@pytest.mark.parametrize("line, found", [
    ("static int counter; int next(void) { return ++counter; }", "counter"),
    ("int next(void) { static int count = 3; return ++count; }", "count"),
    ("_Thread_local int mine;", "mine"),
    ("int given = 4;", "given"),
    ("static const char *const names[] = { \"a\" }; const char *const *get(void) { return names; }", None),
    ("static const int table[] = { 1 }; const int *get(void) { return table; }", None),
])
def test_static_data(tmp_path, line, found):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "static-data-allowed").write_text("# nothing\n")
    (tmp_path / "a.c").write_text(line + "\n")
    subprocess.run(["cc", "-fPIC", "-c", "-o", tmp_path / "a.o", tmp_path / "a.c"], check=True)
    status, text = lint("check-static-data", tmp_path, tmp_path)
    assert (status, f"{found}" in text) == ((1, True) if found else (0, False))


def test_static_data_allowed_names_what_is_gone(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "static-data-allowed").write_text("gone  # why\n")
    (tmp_path / "a.c").write_text("int f(void) { return 1; }\n")
    subprocess.run(["cc", "-c", "-o", tmp_path / "a.o", tmp_path / "a.c"], check=True)
    assert lint("check-static-data", tmp_path, tmp_path)[0] == 1


@pytest.mark.parametrize("change, complaint", [
    (None, None),
    (("| at once */", "| soon */"), "is not what the sources say"),                        # another text
    (("/* DEVIATION", "/* deviation"), "is not what the sources say"),                     # gone from the sources
    ((" RISC-V |", " RISC-V"), "hw/a.c:2: expected SECTION | what"),                     # not all cells
    ((" RISC-V |", " Nowhere |"), "hw/a.c:2: expected SECTION | what"),
])
def test_deviations(tmp_path, change, complaint):
    text = "int a;\n/* DEVIATION RISC-V | `b` |\n * goes | at once */\n"
    for folder in ("docs/guide", "hw"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "hw" / "a.c").write_text(text)
    assert lint("gen-deviations", tmp_path)[0] == 0
    assert "| `b` | goes | at once |\n" in (tmp_path / "docs" / "guide" / "known-deviations.md").read_text()
    if change:
        (tmp_path / "hw" / "a.c").write_text(text.replace(*change))
    status, said = lint("gen-deviations", tmp_path, "--check")
    assert (status == 0) if complaint is None else (status == 1 and complaint in said)

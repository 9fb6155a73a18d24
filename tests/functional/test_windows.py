# tests/functional/test_windows.py - Windows (docs/decisions/windows.md): what their faults and mappings cost.
import re

import pytest

from conftest import bare_program

PAGES, CODE_STORES = 4096, 1000  # of tests/jit/window_faults.c


def statistics(machine):
    text = machine.qmp.command("x-query-jit")["human-readable-text"]
    return tuple(map(int, re.search(r"windows: \d+ given, .*; faults (\d+), mappings made (\d+)", text).groups()))


@pytest.mark.parametrize("accel", ["", ",quick=off", ",host-isa=v1"])
def test_no_fault_but_the_first(start, accel):
    guest = bare_program("window_faults")
    machine = start("-M", "virt", "-m", "64M", "-accel", f"tcg,windows=on,window-threshold=0{accel}", "-bios", "none", "-kernel", guest, qmp=True)
    machine.wait_for("counted", 60)
    faults, mappings = statistics(machine)
    assert PAGES <= mappings < PAGES + 100
    assert PAGES <= faults < PAGES + CODE_STORES * 2 + 500

# tests/functional/test_log.py - Each item of -d writes what it says, into the file of -D.
import re
import time

import pytest

from conftest import PATIENCE

LINES = {
    "in_asm": r"^IN:\n0x[0-9a-f]{16}:  \S+",
    "ir": r"^IR:\n",
    "ir:after=dead-code": r"^IR after dead-code:\n",
    "out_asm": r"^OUT: \[size=\d+\]\n0x[0-9a-f]{16}: +[0-9a-f]+ +\S+",
    "exec,nochain": r"^Trace 0: 0x[0-9a-f]+ \[[0-9a-f]{16}/[0-9a-f]+\]$",
    "cpu": r"^ pc +[0-9a-f]{16}$",
    "int": r"^hart 0: .* to M mode, pc [0-9a-f]{16}, tval ",
    "mmu": r"^hart 0: (load of [0-9a-f]{16} in M mode, satp 0{16}: page [0-9a-f]{16} rwx|sfence\.vma of all spaces)$",
    "guest_errors": r"^hart 0: (load from|store to|fetch from) [0-9a-f]{16}: nothing is there, or it refused$",
    "page": r"^page riscv_virt_board\.mrom\+0x0: code at \+0x0$",
}




def wait_for_line(machine, log, pattern):
    end = time.monotonic() + 60 * PATIENCE
    while not (log.exists() and re.search(pattern, log.read_text(errors="replace"), re.M)):
        assert time.monotonic() < end, machine.tail()
        machine.pump(0.1)


@pytest.mark.parametrize("item", LINES)
def test_item(start, firmware, tmp_path, item):
    """OpenSBI traps, looks into tables and fences; where there is no firmware, hart 0 ends up where nothing is."""
    bios = "none" if item == "guest_errors" else firmware
    machine = start("-M", "virt", "-bios", bios, "-d", item, "-D", "log")
    wait_for_line(machine, tmp_path / "log", LINES[item])
    machine.close()


def test_dfilter(start, hello, tmp_path):
    machine = start("-M", "virt", "-bios", hello, "-d", "in_asm", "-D", "log", "-dfilter", "0x1000..0x1fff")
    machine.wait_for("> ", 60)
    machine.close()
    addresses = [int(a, 16) for a in re.findall(r"^0x([0-9a-f]{16}):", (tmp_path / "log").read_text(), re.M)]
    assert addresses and all(0x1000 <= a < 0x2000 for a in addresses)

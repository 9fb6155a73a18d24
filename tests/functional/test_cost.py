# tests/functional/test_cost.py - What a machine may cost its host: memory beside guest RAM, CPU while the guest idles.
import os
import sys

import pytest

from conftest import ROOT, cached

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import machine  # noqa: E402  (tests/bench/machine.py)

BINARY = os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))


def test_no_machine_is_small():
    emulator = machine.Emulator([BINARY], "-M", "none", "-display", "none", "-nodefaults")
    rss = emulator.status("VmRSS")
    emulator.quit()
    assert rss <= 15


@pytest.mark.parametrize("harts", [1, 4])
def test_idle_guest(tmp_path, harts):
    cached("linux-riscv64", "vmlinuz")
    figures = {name.split(": ")[-1]: value for name, value, _ in machine.idle_guest([BINARY], harts, str(tmp_path))}
    assert figures["memory beside guest RAM"] <= 52
    assert figures["host CPU"] < 2


@pytest.mark.parametrize("board, sampled", [("none", False), ("virt", True)])
def test_nobody_ticks_without_processors(start, board, sampled):
    """The thread that looks for hot loops is there when somebody can have one."""
    emulator = start("-M", board, *(["-bios", "none", "-S"] if sampled else ["-nodefaults"]), qmp=True, serial=False)
    emulator.qmp.command("query-status")
    folder = f"/proc/{emulator.process.pid}/task"
    names = [open(f"{folder}/{thread}/comm", encoding="ascii").read().strip() for thread in os.listdir(folder)]
    assert ("tier2" in names) == sampled


def huge_bytes(pid):
    """Of files in memory: what is mapped by huge pages."""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("ShmemPmdMapped"))


@pytest.mark.skipif(tuple(map(int, os.uname().release.split(".")[:2])) < (6, 1), reason="this host makes no huge pages of files in memory on request")
def test_loaded_ram_is_huge(start, tmp_path):
    """With windows RAM is a file; what is loaded before the guest runs would otherwise be copied when it first uses it."""
    (tmp_path / "image").write_bytes(bytes(range(1, 256)) * (8 << 20 >> 8))
    machine = start("-M", "virt", "-m", "64M", "-accel", "tcg,windows=on", "-bios", "none", "-S", "-device",
                    f"loader,file={tmp_path}/image,addr=0x81000000,force-raw=on", qmp=True, serial=False)
    machine.qmp.command("query-status")
    assert huge_bytes(machine.process.pid) >= 8 << 20

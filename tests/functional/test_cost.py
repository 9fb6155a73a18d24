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
    assert figures["memory beside guest RAM"] <= 60
    assert figures["host CPU"] < 2

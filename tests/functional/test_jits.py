# tests/functional/test_jits.py - Code generators in the guest: V8 and HotSpot write, patch and throw away code; every sum has to be right.
import os
import re
import sys

import pytest

from conftest import CACHE, ROOT, cached

sys.path.append(os.path.join(ROOT, "tests", "guests", "jits"))
import jits  # noqa: E402

pytestmark = pytest.mark.long


@pytest.mark.parametrize("accel", ["tcg", "tcg,tier2-threshold=1", "tcg,tier2=off", "tcg,tb-size=16"])
@pytest.mark.parametrize("program", jits.PROGRAMS)
def test_sums(start, tmp_path, program, accel):
    cached("jits", "disk.img")
    cached("opensbi", "generic", "fw_dynamic.bin")
    cached("linux-riscv64", "modules")
    machine = start(*jits.arguments(CACHE, tmp_path, program), "-accel", accel, "-smp", "4")
    for name, total in jits.SUMS[program].items():
        machine.wait_for(rf"{name} (\d+) ([^\r]*)\r\n", 300)
        assert re.search(jits.LINE.format(name, re.escape(total)).encode(), machine.console), machine.tail()
    machine.wait_for("guest: done", 60)
    assert machine.wait_exit() == 0

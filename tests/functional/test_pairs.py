# tests/functional/test_pairs.py - Blocks behind calls (accel/tcg/pair.c): copies of them do not pile up.
import re

import pytest

from conftest import bare_program

LIVE = 600      # the program has some 40 blocks


@pytest.mark.parametrize("accel", ["tcg,tier2=off", "tcg,quick=off", "tcg,tier2-threshold=1,quick-threshold=1"])
def test_calls_that_are_written_again_and_again(start, accel):
    path = bare_program("copies")
    machine = start("-M", "virt", "-m", "64M", "-bios", "none", "-kernel", path, "-accel", accel, qmp=True)
    machine.wait_for("c\r?\n")
    text = machine.qmp.command("x-query-jit")["human-readable-text"]
    made, live = map(int, re.search(r"blocks: (\d+) translated, (\d+) live", text).groups())
    assert made > 10000 and live < LIVE, text

# tests/functional/test_pairs.py - Blocks behind calls (accel/tcg/pair.c): copies of them do not pile up.
import os
import re

import pytest

from conftest import ROOT

LIVE = 600      # the program has some 40 blocks


@pytest.mark.parametrize("accel", ["tcg,tier2=off", "tcg,quick=off", "tcg,tier2-threshold=1,quick-threshold=1"])
def test_calls_that_are_written_again_and_again(start, accel):
    path = os.path.join(os.path.dirname(os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah"))), "tests", "jit", "copies.elf")
    if not os.path.exists(path):
        pytest.skip("the bare-metal programs were not built (no cross compiler)")
    machine = start("-M", "virt", "-m", "64M", "-bios", "none", "-kernel", path, "-accel", accel, qmp=True)
    machine.wait_for("c\r?\n")
    text = machine.qmp.command("x-query-jit")["human-readable-text"]
    made, live = map(int, re.search(r"blocks: (\d+) translated, (\d+) live", text).groups())
    assert made > 10000 and live < LIVE, text

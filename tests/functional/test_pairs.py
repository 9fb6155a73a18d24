# tests/functional/test_pairs.py - Blocks behind calls (accel/tcg/pair.c): copies of them do not pile up.
import re

import pytest

from conftest import bare_program

LIVE = 600      # the program has some 40 blocks


def run(start, accel):
    """The emulator behind the program's end; blocks translated and live, and what tells of them."""
    machine = start("-M", "virt", "-m", "64M", "-bios", "none", "-kernel", bare_program("copies"), "-accel", accel, qmp=True)
    machine.wait_for("c\r?\n")
    text = machine.qmp.command("x-query-jit")["human-readable-text"]
    return machine, *map(int, re.search(r"blocks: (\d+) translated, (\d+) live", text).groups()), text


@pytest.mark.parametrize("accel", ["tcg,tier2=off", "tcg,quick=off", "tcg,tier2-threshold=1,quick-threshold=1"])
def test_calls_that_are_written_again_and_again(start, accel):
    _, made, live, text = run(start, accel)
    assert made > 10000 and live < LIVE, text


def test_the_same_from_the_code_cache(start, tmp_path):
    for found in (False, True):
        machine, made, live, text = run(start, f"tcg,cache={tmp_path}")
        assert made > 10000 and live < LIVE, text
        assert bool(re.search(r"code cache: [1-9]\d* hits", text)) == found, text
        machine.qmp.command("quit")
        machine.process.wait(60)

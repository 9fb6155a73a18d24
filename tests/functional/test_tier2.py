# tests/functional/test_tier2.py - Hot loops (docs/decisions/tier-2.md): that they are given up where they do not pay, but not for good.
import re
import time

import pytest

from conftest import PATIENCE, bare_program

GIVEN = 5           # made otherwise and given up, and that once more when its page turns out to be hot: so often without a rest that ends, and less
TRIES = 5           # the guest may be asked to go on just when the loop is tried once more
NESTS = 16          # of the guest
FEW = 2             # of them may have been met too seldom to pay
KINDS = 7           # of loops over a page's end, of two_pages
MOST_TRIES = 12     # in a few seconds: each rest is twice as long as the last one


def loops(machine):
    """Made, given up."""
    made, _, given = loops_of_two_pages(machine)
    return made, given


def loops_of_two_pages(machine):
    """The same, and between them how many of those made lie in two pages."""
    text = machine.qmp.command("x-query-jit")["human-readable-text"]
    return tuple(map(int, re.search(r"tier 2: (\d+) loops made \((\d+) in two pages\), \d+ refused, (\d+) given up", text).groups()))


def wait_until(machine, condition, seconds):
    end = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < end:
        if condition(*loops(machine)):
            return True
        time.sleep(0.01)
    return False


def go_on(machine, where):
    machine.type(where)
    machine.wait_for(where + "\r?\n")


def run(start, name, *options):
    path = bare_program(name)
    return start("-M", "virt", "-m", "64M", "-bios", "none", "-kernel", path, *options, qmp=True)


@pytest.fixture(name="guest")
def fixture_guest(start):
    machine = run(start, "give_up")
    machine.wait_for("a\r?\n")
    return machine


def test_a_loop_that_was_given_up_comes_back(guest):
    for _ in range(TRIES):
        given = loops(guest)[1]
        assert wait_until(guest, lambda _, now, before=given: now >= max(before + 1, GIVEN), 60), loops(guest)
        made = loops(guest)[0]
        go_on(guest, "b")
        if wait_until(guest, lambda now, _, before=made: now > before, 3):
            return
        go_on(guest, "a")
    pytest.fail(f"the loop stays ordinary code: {loops(guest)}")


def test_a_loop_that_does_not_pay_is_not_made_for_ever(guest):
    assert wait_until(guest, lambda _, now: now >= 2, 60), loops(guest)
    time.sleep(4)
    made, given = loops(guest)
    assert given <= made <= MOST_TRIES


def test_samples_that_meet_a_short_loop_find_what_is_around_it(start):
    machine = run(start, "nest")
    machine.wait_for("n\r?\n")
    made, given = loops(machine)
    assert made >= NESTS and given <= FEW


def test_loops_over_a_page_end_turn_in_one_piece(start):
    machine = run(start, "two_pages_rounds")
    machine.wait_for("n\r?\n")
    # Those that would turn elsewhere have been given up by now, and rest; so may one for another reason.
    assert wait_until(machine, lambda made, given: made - given >= KINDS - 1 and loops_of_two_pages(machine)[1] >= KINDS - 1, 30), loops_of_two_pages(machine)


@pytest.mark.parametrize("accel", ["tcg", "tcg,quick=off,tier2-threshold=1", "tcg,windows=on,window-threshold=0", "tcg,backend=interp"])
def test_jump_back_out_of_a_device(start, accel):
    machine = start("-M", "virt", "-m", "64M", "-accel", accel, "-device", "pcie-root-port,id=rp,slot=1", "-bios", "none", "-kernel", bare_program("from_device"))
    assert machine.process.wait(20 * PATIENCE) == 0

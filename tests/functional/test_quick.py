# tests/functional/test_quick.py - Quick code (docs/decisions/quick-code.md): which pages get other code.
import re


from conftest import bare_program

PAGES = 128  # of tests/jit/seldom.c


def hot_pages(machine):
    text = machine.qmp.command("x-query-jit")["human-readable-text"]
    return int(re.search(r"quick: .*, (\d+) pages hot", text).group(1))


def test_a_page_that_is_seen_seldom_keeps_its_quick_code(start):
    guest = bare_program("seldom")
    machine = start("-M", "virt", "-m", "64M", "-bios", "none", "-kernel", guest, qmp=True)
    machine.wait_for("seldom", 60)
    seldom = hot_pages(machine)
    assert seldom < PAGES / 2
    machine.wait_for("for long", 60)
    assert hot_pages(machine) > seldom

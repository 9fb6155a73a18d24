# tests/functional/test_devices.py - the virt board's devices from outside: qtest, the monitor's pages, trace events.
import re
import socket

import pytest

from qtest import Qtest


@pytest.fixture
def board(tmp_path):
    with Qtest.start(tmp_path, "-M", "virt", "-bios", "none", "-S") as q:
        yield q


def test_where_devices_are(board):
    """Addresses and first words as in the machine's device tree."""
    assert board.readl(0x10001000) == 0x74726976 and board.readl(0x10008000) == 0x74726976
    assert board.readl(0x10001008) == 0
    board.writew(0x10100008, 0)
    assert board.readl(0x10100000) == 0x554D4551
    assert board.readl(0x30000000) == 0x00081B36
    assert board.readl(0x30008000) == 0xFFFFFFFF
    assert board.readb(0x40000000) == 0xFF and board.readb(0x3000000) == 0xFF
    board.writel(0x22000000, 0x00900090)
    assert [board.readl(0x22000000), board.readl(0x22000004)] == [0x00890089, 0x00180018]


def test_monitor_pages(start):
    machine = start("-M", "virt", "-bios", "none", "-S", qmp=True)

    def hmp(line):
        return machine.qmp.command("human-monitor-command", **{"command-line": line}).replace("\r", "")

    tree = hmp("info qtree")
    assert "mmio 0000000000101000/0000000000000024" in tree
    assert re.search(r"bus: pcie.0\n +type PCIE\n +dev: gpex-root, id \"\"", tree)
    assert re.search(r"bus: virtio-mmio-bus.7\n +type virtio-mmio-bus", tree)
    assert "num-blocks = 128 (0x80)" in tree and "x-ecam-size = 268435456 (256 MiB)" in tree
    assert "Host bridge: PCI device 1b36:0008\n      PCI subsystem 1af4:1100" in hmp("info pci")
    assert "goldfish_rtc_time_low_read : state 0" in hmp("info trace-events")
    hmp("trace-event goldfish* on")
    hmp("trace-event *_write off")
    events = hmp("info trace-events")
    assert "goldfish_rtc_time_low_read : state 1" in events
    assert "goldfish_rtc_time_low_write : state 0" in events


def test_trace_option(tmp_path):
    """-trace writes register accesses to a file; what it does not name stays out."""
    log = tmp_path / "log"
    with Qtest.start(tmp_path, "-M", "virt", "-bios", "none", "-S", "-trace", f"goldfish_rtc_*,file={log}") as q:
        q.writel(0x101010, 1)
        q.readl(0x10001000)
    assert log.read_text() == "goldfish_rtc_irq_enabled_write offset 0x10 size 4 value 0x1\n"


@pytest.mark.parametrize("option", [["-watchdog-action", "pause"], ["-action", "watchdog=pause"], ["-action", "watchdog=none", "-watchdog-action", "pause"]], ids=" ".join)
def test_expired_watchdog_does_what_the_option_says(start, tmp_path, option):
    path = tmp_path / "qtest"
    machine = start("-M", "virt", "-bios", "none", "-accel", "qtest", "-qtest", f"unix:{path},server=on,wait=off", "-device", "i6300esb,addr=2", *option,
                    qmp=True)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    config, registers = 0x30010000, 0x40000000
    with Qtest(connection) as qtest:
        qtest.writel(config + 0x10, registers)
        qtest.writew(config + 4, 2)
        qtest.writeb(config + 0x68, 2)  # enabled, with two stages of 1040 seconds
        qtest.clock_step(3000_000_000_000)
        assert machine.qmp.event("WATCHDOG")["data"] == {"action": "pause"}
        assert machine.qmp.command("query-status")["status"] == "paused"

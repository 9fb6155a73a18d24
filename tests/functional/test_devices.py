# tests/functional/test_devices.py - the virt board's devices from outside: qtest, the monitor's pages, trace events.
import re
import socket
import struct

import pytest

from qtest import Qtest

CONFIG, REGISTERS = 0x30010000, 0x40000000  # of a function at addr=2, and where its BAR is put


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


def qtest_beside_qmp(start, folder, *arguments):
    """A machine that a device test drives, and its client."""
    path = folder / "qtest"
    machine = start("-M", "virt", "-bios", "none", "-accel", "qtest", "-qtest", f"unix:{path},server=on,wait=off", *arguments, qmp=True)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return machine, Qtest(connection)


def panic(qtest, event=1):
    qtest.writel(CONFIG + 0x10, REGISTERS)
    qtest.writew(CONFIG + 4, 2)
    qtest.writeb(REGISTERS, event)


@pytest.mark.parametrize("options", [["-action", "panic=pause"], ["-no-shutdown"]], ids=" ".join)
def test_crashed_guest_may_go_on(start, tmp_path, options):
    machine, qtest = qtest_beside_qmp(start, tmp_path, "-device", "pvpanic-pci,addr=2", *options)
    with qtest:
        for way in ("cont", "system_reset"):
            panic(qtest)
            assert machine.qmp.event("GUEST_PANICKED")["data"] == {"action": "pause"}
            machine.qmp.event("STOP")
            assert machine.qmp.command("query-status")["status"] == "guest-panicked"
            if way == "system_reset":
                machine.qmp.command(way)
                machine.qmp.event("RESET")
                assert machine.qmp.command("query-status")["status"] == "prelaunch"
            machine.qmp.command("cont")
            machine.qmp.event("RESUME")
            assert machine.qmp.command("query-status")["running"]


@pytest.mark.parametrize("option, status", [("panic=exit-failure", 1), ("panic=shutdown", 0)])
def test_crashed_guest_ends(start, tmp_path, option, status):
    machine, qtest = qtest_beside_qmp(start, tmp_path, "-device", "pvpanic-pci,addr=2", "-action", option)
    with qtest:
        panic(qtest)
        for name in ("GUEST_PANICKED", "STOP", "SHUTDOWN"):
            machine.qmp.event(name)
        assert machine.wait_exit() == status


def test_guest_that_says_it_shuts_down_does(start, tmp_path):
    machine, qtest = qtest_beside_qmp(start, tmp_path, "-device", "pvpanic-pci,addr=2,events=7")
    with qtest:
        panic(qtest, 4)
        machine.qmp.event("GUEST_PVSHUTDOWN")
        assert machine.qmp.event("SHUTDOWN")["data"] == {"guest": True, "reason": "guest-shutdown"}
        assert machine.wait_exit() == 0


@pytest.mark.parametrize("option", [["-watchdog-action", "pause"], ["-action", "watchdog=pause"], ["-action", "watchdog=none", "-watchdog-action", "pause"]], ids=" ".join)
def test_expired_watchdog_does_what_the_option_says(start, tmp_path, option):
    machine, qtest = qtest_beside_qmp(start, tmp_path, "-device", "i6300esb,addr=2", *option)
    with qtest:
        qtest.writel(CONFIG + 0x10, REGISTERS)
        qtest.writew(CONFIG + 4, 2)
        qtest.writeb(CONFIG + 0x68, 2)  # enabled, with two stages of 1040 seconds
        qtest.clock_step(3000_000_000_000)
        assert machine.qmp.event("WATCHDOG")["data"] == {"action": "pause"}
        machine.qmp.event("STOP")
        assert machine.qmp.command("query-status") == {"running": False, "status": "watchdog"}
        assert "VM status: paused (watchdog)" in machine.qmp.command("human-monitor-command", **{"command-line": "info status"})
        machine.qmp.command("cont")
        machine.qmp.event("RESUME")


def test_linux_says_where_its_crash_notes_are(start, linux):
    """The driver of fw_cfg writes format, size and address into the file; there is the note."""
    machine = start("-M", "virt", "-device", "vmcoreinfo",
                    *linux("hexdump -C /sys/firmware/qemu_fw_cfg/by_name/etc/vmcoreinfo/raw; sleep 1000", modules=["qemu_fw_cfg"]), qmp=True)
    said = bytes.fromhex(machine.wait_for(r"\n00000000  ((?:[0-9a-f]{2} +){16})")[1].decode())
    guest_format, size, address = struct.unpack("<2xHIQ", said)
    assert guest_format == 1
    assert 64 < size < 65536
    note = machine.qmp.command("human-monitor-command", **{"command-line": f"xp /24c 0x{address:x}"})
    assert "'V' 'M' 'C' 'O'" in note

# tests/functional/test_gdb.py - Debian's gdb-multiarch debugs the machine: registers, threads, breakpoints, steps, monitor.
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from conftest import PATIENCE, bare_program

GDB = shutil.which("gdb-multiarch")
pytestmark = pytest.mark.skipif(not GDB, reason="gdb-multiarch is not installed")


class Debugged:
    """A machine that waits for a debugger, and GDB sessions with it."""

    def __init__(self, start, tmp_path, *arguments, serve=True, qmp=False):
        self.socket = os.path.join(str(tmp_path), "gdb")
        self.machine = start(*arguments, "-S", *(["-gdb", f"unix:{self.socket}"] if serve else []), qmp=qmp)

    def gdb(self, *commands, deadline=60):
        """Output of one session; the machine goes on when GDB leaves by detach."""
        end = time.monotonic() + 20 * PATIENCE
        while not os.path.exists(self.socket):
            assert time.monotonic() < end and self.machine.process.poll() is None, "no GDB server came up"
            time.sleep(0.01)
        words = [GDB, "-nx", "-q", "-batch", "-ex", "set pagination off", "-ex", "set confirm off",
                 "-ex", "set architecture riscv:rv64", "-ex", "set remotetimeout 20",
                 "-ex", f"target remote {self.socket}"]
        for command in commands:
            words += ["-ex", command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=deadline * PATIENCE, check=False)
        return done.stdout


@pytest.fixture
def debugged(start, tmp_path, firmware):
    def launch(*arguments):
        return Debugged(start, tmp_path, "-M", "virt", "-bios", firmware, *arguments)

    return launch


def test_registers_and_steps(debugged):
    output = debugged().gdb("info registers pc", "stepi", "info registers pc", "print $misa != 0", "print $priv",
                            "info registers ft0", "set $t0 = 0x1234", "print/x $t0", "print/x $zero", "info all-registers")
    assert re.search(r"pc +0x1000\b", output), output
    assert re.search(r"pc +0x1004\b", output), output
    assert "$1 = 1" in output and "$3 = 0x1234" in output and "$4 = 0x0" in output, output
    assert re.search(r"\bmstatus\s+0x", output), output
    # gdb wants a program file, which nobody gave; nothing else may make it warn.
    assert output.count("warning") == output.count("warning: No executable has been specified"), output


def test_vector_registers(debugged):
    output = debugged("-cpu", "max,vlen=256").gdb("set $v1.b[31] = 0x7f", "print/x $v1.q", "print/x $v1.w[7]", "print $vlenb", "ptype $v0")
    assert "= {0x0, 0x7f000000000000000000000000000000}" in output and "= 0x7f000000" in output and "$3 = 32" in output, output
    assert "uint8_t b[32]" in output or "uint8 b[32]" in output or " b" in output, output


def test_breakpoint_at_the_firmware(debugged):
    output = debugged().gdb("break *0x80000000", "continue", "info registers pc", "delete", "x/2i $pc", "stepi", "stepi",
                            "hbreak *0x80000000", "info breakpoints")
    assert "Breakpoint 1, 0x0000000080000000" in output, output
    assert re.search(r"=> 0x80000000:", output), output


def test_more_hardware_breakpoints_than_any_machine_has(debugged):
    breaks = [f"hbreak *{0x80000000 + 4 * i}" for i in range(64)]
    output = debugged().gdb(*breaks, "continue")
    assert re.search(r"Breakpoint 1, 0x0000000080000000", output), output


def test_watchpoint(start, tmp_path, hello):
    symbols = subprocess.run(["riscv64-linux-gnu-nm", hello], capture_output=True, text=True, check=True).stdout
    top = int(re.search(r"([0-9a-f]+) \S stack_top", symbols).group(1), 16)
    # guest_main saves its return address at the top of the stack, which nothing wrote before.
    session = Debugged(start, tmp_path, "-M", "virt", "-bios", hello)
    output = session.gdb(f"watch *(long *){top - 8:#x}", "continue", "print $pc")
    assert "Hardware watchpoint 1" in output, output
    assert re.search(r"Old value = 0\s+New value = [1-9]", output), output


def test_watchpoint_in_the_second_page_of_an_access(debugged):
    sd_a1_0_a0, stay = 0x00b53023, 0x0000006f
    output = debugged().gdb(f"set {{int}}0x80200000 = {sd_a1_0_a0:#x}", f"set {{int}}0x80200004 = {stay:#x}", "set $pc = 0x80200000", "set $a0 = 0x80300ffc",
                            "set $a1 = -1", "watch *(int *)0x80301000", "continue")
    assert re.search(r"Old value = 0\s+New value = -1", output), output


def test_harts_are_threads(debugged):
    output = debugged("-smp", "4").gdb("info threads", "thread 3", "info registers pc", "thread apply all print $mhartid")
    for hart in range(4):
        assert f"CPU#{hart}" in output, output
    assert re.search(r"Thread 1\.?4?.*\n.*= 3|= 3", output), output


def test_memory_by_physical_address(debugged):
    output = debugged().gdb("set {int}0x80200000 = 0x55aa", "print/x *(int *)0x80200000", "maintenance packet Qqemu.PhyMemMode:1",
                            "print/x *(short *)0x80200000", "maintenance packet qqemu.PhyMemMode")
    assert output.count("0x55aa") == 2 and 'received: "1"' in output, output


def test_monitor_command(debugged):
    assert "VM status: paused" in debugged().gdb("monitor info status")


def test_server_begins_and_ends_by_the_monitor(start, tmp_path, firmware):
    """Ended by GDB itself, it takes the breakpoints with it; another one may follow."""
    guest = Debugged(start, tmp_path, "-M", "virt", "-bios", firmware, serve=False, qmp=True)

    def hmp(line):
        return guest.machine.qmp.command("human-monitor-command", **{"command-line": line})

    for _ in range(2):
        assert "Waiting for gdb connection" in hmp(f"gdbserver unix:{guest.socket}")
        assert "gdbserver none" in hmp("gdbserver")
        output = guest.gdb("info registers pc", "break *0x80000000", "stepi", "monitor gdbserver none")
        assert re.search(r"pc +0x10", output) and "Disabled gdbserver" in output, output
        end = time.monotonic() + 20 * PATIENCE
        while "gdb:" in hmp("info chardev"):
            assert time.monotonic() < end
            time.sleep(0.01)
    hmp("cont")
    guest.machine.wait_for(r"OpenSBI v\d", 30)


def test_detach_reattach_interrupt(debugged):
    guest = debugged()
    guest.gdb("break *0x80000000", "continue", "detach")
    guest.machine.wait_for(r"OpenSBI v\d", 30)
    output = guest.gdb("print $pc", "detach")
    assert re.search(r"\$1 = .*0x", output), output
    assert guest.machine.process.poll() is None


def test_kill_ends_the_emulator(debugged):
    guest = debugged()
    guest.gdb("kill")
    assert guest.machine.wait_exit() == 0


def test_kernel_symbol_address(debugged, linux):
    """An address as in /proc/kallsyms is a breakpoint by virtual address."""
    guest = debugged("-m", "512M", *linux("echo entry $(grep -w __riscv_sys_getpid /proc/kallsyms)", "sleep 1000"))
    guest.gdb("detach")
    address = int(guest.machine.wait_for(r"entry ([0-9a-f]{16})", 90).group(1), 16)
    output = guest.gdb(f"break *{address:#x}", "info breakpoints", f"x/4xh {address:#x}", "delete", "detach")
    assert "Cannot access memory" not in output, output


def with_symbols(path):
    """A program and its symbols."""
    lines = subprocess.run(["riscv64-linux-gnu-nm", path], capture_output=True, text=True, check=True).stdout.splitlines()
    return path, {line.split()[-1]: int(line.split()[0], 16) for line in lines if len(line.split()) == 3}


def test_breakpoint_in_a_page_seen_at_two_addresses(start, tmp_path):
    """The guest runs one page of code at three addresses, 50 times each (and once more at its own); one of them has a breakpoint."""
    guest = bare_program("two_addresses")
    debugged = Debugged(start, tmp_path, "-M", "virt", "-m", "64M", "-bios", "none", "-kernel", guest)
    output = debugged.gdb("hbreak *0x40000000", "ignore 1 49", "continue", "info registers pc", "info breakpoints", "delete", "continue")
    assert re.search(r"\bpc +0x40000000\b", output), output
    assert "already hit 50 times" in output, output
    assert debugged.machine.process.wait(20 * PATIENCE) == 0


ONE_AFTER_ANOTHER = ["tcg", "tcg,thread=single", "tcg,backend=interp"]


@pytest.mark.parametrize("accel", ONE_AFTER_ANOTHER)
@pytest.mark.parametrize("place, counted", [("behind_wfi", "wakings"), ("trap_entry", "traps")])
def test_each_arrival_after_a_sleep_stops(start, tmp_path, accel, place, counted):
    """The first instruction that a hart executes when it wakes up may have a breakpoint."""
    guest, symbols = with_symbols(bare_program("stops"))
    debugged = Debugged(start, tmp_path, "-M", "virt", "-m", "64M", "-smp", "2", "-accel", accel, "-bios", "none", "-kernel", guest)
    commands = ["continue", f"print *(long *){symbols[counted]:#x}"]
    output = debugged.gdb(f"hbreak *{symbols[place]:#x}", *commands * 3)
    assert re.findall(r"\$\d+ = (\d+)", output) == ["0", "1", "2"], output


class Protocol:
    """A debugger that steps over no breakpoint: what it continues goes on from where it was told that it stopped."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20 * PATIENCE)
        end = time.monotonic() + 20 * PATIENCE
        while self.socket.connect_ex(path):
            assert time.monotonic() < end
            time.sleep(0.01)
        self.buffer = b""

    def ask(self, packet):
        self.socket.sendall(b"$%s#%02x" % (packet.encode(), sum(packet.encode()) & 255))
        while not (found := re.search(rb"\$([^#]*)#..", self.buffer)):
            data = self.socket.recv(4096)
            assert data, "the server has gone"
            self.buffer += data
        self.buffer = self.buffer[found.end():]
        self.socket.sendall(b"+")
        return found[1].decode()

    def number(self, address):
        return int.from_bytes(bytes.fromhex(self.ask(f"m{address:x},8")), "little")


@pytest.mark.parametrize("accel", ONE_AFTER_ANOTHER)
def test_harts_that_come_to_a_breakpoint_together_stop_one_after_another(start, tmp_path, accel):
    guest, symbols = with_symbols(bare_program("stops"))
    debugged = Debugged(start, tmp_path, "-M", "virt", "-m", "64M", "-smp", "2", "-accel", accel, "-bios", "none", "-kernel", guest)
    gdb = Protocol(debugged.socket)
    assert gdb.ask(f"Z1,{symbols['the_place']:x},2") == "OK"
    stops = [0, 0]
    while min(stops) < 50:
        stops[int(re.search(r"^T05.*thread:(\d+)", gdb.ask("vCont;c"))[1], 16) - 1] += 1
        turns = [gdb.number(symbols["turns"] + 8 * hart) for hart in range(2)]
        # One that has not been told yet is in front of it.
        assert all(0 <= turn - stop <= 1 for turn, stop in zip(turns, stops)), (turns, stops)

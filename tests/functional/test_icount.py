# tests/functional/test_icount.py - -icount: runs that can be repeated, to the last bit, whatever translates.
import re
import struct
import subprocess

import pytest

from conftest import PATIENCE, bare_program, cached

TIME = ["-icount", "shift=1,sleep=off", "-seed", "7", "-rtc", "base=2026-01-01,clock=vm"]
M = 1_000_000


def stop_at(machine, count, deadline=100):
    machine.qmp.command("x-icount-stop", count=count)
    machine.qmp.command("cont")
    machine.qmp.event("STOP", deadline)
    where = machine.qmp.command("x-query-icount")
    assert where["count"] == count
    return where["time"], where["hash"]


def say(machine, text):
    """Input that comes while the machine stands still: its count is exact. At most the UART's FIFO."""
    before = machine.qmp.command("x-query-icount")["hash"]
    machine.type(text)
    while machine.qmp.command("x-query-icount")["hash"] == before:
        machine.pump(0.01)


def boot(start, arguments, counts, *options):
    machine = start("-M", "virt", "-m", "192M", "-S", *TIME, *options, *arguments, qmp=True)
    hashes = [stop_at(machine, count) for count in counts]
    machine.close()
    return hashes


def test_firmware_is_the_same_everywhere(start, firmware):
    counts = [1, 1000, 777_777, 3 * M]
    runs = [boot(start, ["-bios", firmware], counts, "-smp", "2", "-accel", accel)
            for accel in ("tcg", "tcg,backend=interp", "tcg,tier2-threshold=1", "tcg,tier2=off,host-isa=v1")]
    assert len({run[-1] for run in runs}) == 1, runs
    assert runs == [runs[0]] * len(runs)
    assert boot(start, ["-bios", firmware], counts[:1], "-smp", "2", "-seed", "8") != runs[0][:1]  # the device tree has random bytes


def play(start, linux, firmware, accel, counts):
    """To the shell, a command typed in two parts at fixed counts, and on."""
    machine = start("-M", "virt", "-m", "192M", "-S", *TIME, "-accel", accel, "-bios", firmware, *linux(), qmp=True)
    hashes = [stop_at(machine, count) for count in counts]
    for count, text in ((counts[-1] + 1 * M, "expr 6 "), (counts[-1] + 2 * M + 1, "\\* 7\n"), (counts[-1] + 90 * M, None)):
        hashes.append(stop_at(machine, count))
        if text:
            say(machine, text)
    machine.wait_for(r"\n42\r\n")
    console = machine.console
    machine.close()
    return hashes, console


@pytest.mark.parametrize("others", [("tcg,tier2-threshold=1",),
                                    pytest.param(("tcg,tier2=off", "tcg,backend=interp", "tcg,tb-size=4", "tcg,host-isa=v1"), marks=pytest.mark.long)])
def test_debian_to_the_shell_twice(start, linux, firmware, others):
    counts = [200 * M, 1150 * M]
    first = play(start, linux, firmware, "tcg", counts)
    assert b"guest: ready" in first[1]
    for accel in others:
        assert play(start, linux, firmware, accel, counts) == first, accel


@pytest.mark.parametrize("counts, accels", [([350 * M], ["tcg", "tcg,tier2-threshold=1"]), pytest.param(
    [50 * M, 400 * M, 900 * M], ["tcg"] * 6 + ["tcg,tier2-threshold=1"] * 3 + ["tcg,tier2=off", "tcg,backend=interp"], marks=pytest.mark.long)])
def test_harts_take_turns(start, linux, firmware, counts, accels):
    """One that sleeps wakes up to another's deadline."""
    arguments = ["-bios", firmware, "-smp", "3", *linux("uname -a", "cat /proc/interrupts")]
    runs = [boot(start, arguments, counts, "-accel", accel) for accel in accels]
    assert runs == [runs[0]] * len(runs)


# A timer interrupt that is always due: its handler counts and returns, which takes it again.
DUE = (0x00000297, 0x03428293,  # t0 = the handler
       0x30529073,              # csrw mtvec, t0
       0x02004337, 0x00033023,  # mtimecmp of hart 0 = 0
       0x08000393, 0x30439073,  # mie.MTIE
       0x000023b7, 0x88038393, 0x30039073,  # mstatus.MPP = M, MPIE
       0x00828e13, 0x341e1073,  # mepc: behind the handler
       0x30200073,              # mret
       0x001e8e93, 0x30200073,  # handler: t4++; mret
       0x0000006f)


def test_input_for_a_hart_that_has_no_turn(start):
    """All harts sleep, and what comes is for one whose turn it is not."""
    machine = start("-M", "virt", "-m", "64M", "-smp", "2", "-icount", "shift=0", "-bios", "none", "-kernel", bare_program("asleep"))
    machine.wait_for("ready\r?\n")
    machine.pump(0.5)
    machine.type("a")
    assert machine.process.wait(20 * PATIENCE) == 0


def test_time_is_set_for_a_hart_that_has_no_turn(start):
    machine = start("-M", "virt", "-m", "64M", "-smp", "2", "-icount", "shift=0", "-bios", "none", "-kernel", bare_program("mtime_asleep"))
    assert machine.process.wait(20 * PATIENCE) == 0


def test_stops_come_before_interrupts(start, tmp_path):
    """Behind each instruction: a return that a pending interrupt takes back is one of them, and the interrupt is not."""
    (tmp_path / "due.bin").write_bytes(b"".join(word.to_bytes(4, "little") for word in DUE))
    arguments = ["-bios", "none", "-device", f"loader,file={tmp_path}/due.bin,addr=0x80000000"]
    runs = [boot(start, arguments, range(1, 60), "-accel", accel) for accel in ("tcg,backend=interp", "tcg", "tcg,one-insn-per-tb=on", "tcg,quick=off,tier2-threshold=1")]
    assert runs == [runs[0]] * len(runs)
    assert len(set(runs[0])) == len(runs[0])


# A write to sstatus with a bit that the code of a loop leaves to other code, each time: the loop is left in front of its first instruction.
LEFT_AT_ONCE = (0x00080fb7,              # t6 = MXR
                0x02800f13,              # again: t5 = 40
                0x100fa773,              # loop: csrrs a4, sstatus, t6
                0xffff0f13, 0xfe0f1ce3,  # t5--; bnez t5, loop
                0x001e8e93, 0xfedff06f)  # t4++; j again


def test_what_leaves_a_loop_at_once_is_not_counted(start, tmp_path):
    (tmp_path / "loop.bin").write_bytes(b"".join(word.to_bytes(4, "little") for word in LEFT_AT_ONCE))
    arguments = ["-bios", "none", "-device", f"loader,file={tmp_path}/loop.bin,addr=0x80000000"]
    runs = [boot(start, arguments, range(500, 20000, 487), "-accel", accel) for accel in ("tcg,backend=interp", "tcg", "tcg,quick=off,tier2-threshold=1")]
    assert runs == [runs[0]] * len(runs)


def test_several_turns_at_a_time_are_counted(start):
    """Loops over arrays that are done in lanes: stopped in the middle of them, and where a NaN takes lanes back."""
    program = bare_program("float_loops")
    counts = [4 * M + 1_013 * i for i in range(400)]
    runs = [boot(start, ["-m", "8M", "-bios", "none", "-kernel", program], counts, "-accel", accel)
            for accel in ("tcg,tier2=off", "tcg", "tcg,quick=off,tier2-threshold=1", "tcg,tier2-threshold=1,host-isa=v3")]
    assert runs == [runs[0]] * len(runs)


# An array, of which the sums with its first element go behind it.
SUMS = (0x00001617, 0x000062b7, 0x3002a073,      # a2 = the array; mstatus.FS
        0x00063707,                              # fa4 = its first element
        0x00060513, 0x20060593, 0x20060693,      # again: a0 = a2; a1, a3 = behind 64 elements
        0x00053787, 0x02e7f7d3, 0x00f5b027, 0x00850513, 0x00858593, 0xfed516e3,  # loop: *a1++ = *a0++ + fa4 until a3
        0xfddff06f)                              # j again
SUMS_LONG = 4 + 6 * 64  # instructions
SUMS_BEFORE = 10        # those of reset, too


def test_several_turns_at_a_time_end_where_the_budget_does(start, tmp_path):
    """Behind each instruction of a loop's last turns, all but which are done in lanes: what turns left in registers is there, too, where the turn behind them is not done at once."""
    code = b"".join(word.to_bytes(4, "little") for word in SUMS)
    (tmp_path / "sums.bin").write_bytes(code.ljust(4096, b"\0") + struct.pack("<64d", *(i + 0.5 for i in range(64))))
    arguments = ["-bios", "none", "-device", f"loader,file={tmp_path}/sums.bin,addr=0x80000000"]
    counts = [SUMS_BEFORE + (150_000 + i) * SUMS_LONG + i for i in range(SUMS_LONG - 50, SUMS_LONG)]
    runs = [boot(start, ["-m", "8M", *arguments], counts, "-accel", accel) for accel in ("tcg,tier2=off", "tcg", "tcg,quick=off,tier2-threshold=1", "tcg,tier2-threshold=1,host-isa=v3")]
    assert runs == [runs[0]] * len(runs)


@pytest.mark.parametrize("options, message", [
    (["-icount", "shift=11"], r"Invalid shift value"),
    (["-icount", "x"], r"Invalid shift value"),
    (["-icount", "align=on"], r"Please specify shift option when using align"),
    (["-icount", "1,align=on,sleep=off"], r"align=on and sleep=off are incompatible"),
    (["-icount", "1,rr=bogus"], r"Invalid icount rr option: bogus"),
    (["-icount", "1,rr=record,rrfile=x"], r"record and replay are not there yet"),
    (["-icount", "1,foo=1"], r"foo"),
    (["-icount", "1", "-accel", "tcg,thread=multi"], r"No MTTCG when icount is enabled"),
    (["-icount", "1", "-accel", "qtest"], r"-icount is not allowed"),
    (["-seed", "abc"], r"Invalid seed number: abc"),
    (["-seed", "-1"], r"Invalid seed number: -1"),
])
def test_bad_options(start, options, message):
    machine = start("-M", "none", *options)
    assert machine.wait_exit() == 1
    machine.pump(0.1)
    assert re.search(message, machine.console.decode()), machine.console


def test_count_must_be_ahead(start, firmware):
    machine = start("-M", "virt", "-S", "-bios", firmware, *TIME, qmp=True)
    stop_at(machine, 1000)
    with pytest.raises(RuntimeError, match="1000 instructions were executed before"):
        machine.qmp.command("x-icount-stop", count=1000)


def test_without_icount(start):
    machine = start("-M", "none", qmp=True)
    for command, arguments in (("x-query-icount", {}), ("x-icount-stop", {"count": 5})):
        with pytest.raises(RuntimeError, match="only with -icount"):
            machine.qmp.command(command, **arguments)


@pytest.mark.parametrize("options", ["shift=auto", "shift=3", "shift=7,align=on", "1,sleep=off"])
def test_uboot_counts_down(start, firmware, options):
    """Time passes, whatever makes it."""
    machine = start("-M", "virt", "-smp", "2", "-bios", firmware, "-icount", options, "-kernel", cached("u-boot", "qemu-riscv64_smode", "u-boot.bin"))
    machine.wait_for(r"Hit any key to stop autoboot", 60)
    machine.wait_for(r"=> ", 60)


@pytest.mark.parametrize("fused", range(56, 61))
def test_a_piece_ends_behind_much_cold_code(start, fused):
    machine = start("-M", "virt", "-m", "64M", "-icount", "shift=0", "-accel", "tcg,tier2-threshold=1,quick=off", "-bios", "none",
                    "-kernel", bare_program(f"piece_end_{fused}"))
    assert machine.process.wait(60 * PATIENCE) == 0

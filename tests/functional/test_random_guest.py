# tests/functional/test_random_guest.py - Guests of random bytes: whatever they do, the emulator neither crashes nor stops listening.
"""The campaign of make check-long: MYNAH_RANDOM_SEED says where to begin, MYNAH_RANDOM_MINUTES how long, in the emulator's user time."""
import os
import random
import time

import pytest
from conftest import Machine, thread_states, user_time

SEEDS = int(os.environ.get("MYNAH_RANDOM_GUESTS", "6"))
SECONDS = float(os.environ.get("MYNAH_RANDOM_SECONDS", "1"))


def instruction(rng):
    """Mostly valid major opcodes, so that guests get further than their first instruction."""
    kind = rng.random()
    if kind < 0.25:
        return rng.getrandbits(16) & ~3 | rng.randrange(3), 2
    major = rng.choice([0x03, 0x07, 0x0F, 0x13, 0x17, 0x1B, 0x23, 0x27, 0x2F, 0x33, 0x37, 0x3B, 0x43, 0x53, 0x63, 0x67, 0x6F, 0x73])
    word = rng.getrandbits(32) & ~0x7F | major
    if major == 0x73 and kind < 0.6:
        csr = rng.choice([0x300, 0x302, 0x303, 0x304, 0x305, 0x341, 0x342, 0x344, 0x180, 0x100, 0x104, 0x105, 0x141, 0x3A0, 0x3A2,
                          0x3B0, 0x3B7, 0x30A, 0x14D, 0xC00, 0xC01, 0x7A0, rng.randrange(4096)])
        word = csr << 20 | word & 0xFFFFF
    return word, 4


def image(seed):
    """The first instructions make a trap vector and point registers at memory and devices."""
    rng = random.Random(seed)
    code = bytearray()
    places = [0x80000000, 0x80100000, 0x10000000, 0x2000000, 0xC000000, 0x101000, 0x20000000, 0x30000000, 0x10100000, 0x10001000, 0x3000000]
    for register in range(1, 32):  # lui + slli would be longer: 32-bit addresses by lui and addi, zero-extended by shifts
        place = rng.choice(places) + rng.randrange(0, 4096, 4)
        code += ((place + 0x800 & 0xFFFFF000) | register << 7 | 0x37).to_bytes(4, "little")
        code += ((place & 0xFFF) << 20 | register << 15 | register << 7 | 0x13).to_bytes(4, "little")
        code += (32 << 20 | register << 15 | 1 << 12 | register << 7 | 0x13).to_bytes(4, "little")
        code += (32 << 20 | register << 15 | 5 << 12 | register << 7 | 0x13).to_bytes(4, "little")
    code += (0x305 << 20 | rng.randrange(1, 32) << 15 | 1 << 12 | 0x73).to_bytes(4, "little")
    while len(code) < 1 << 16:
        if rng.random() < 0.02:
            code += rng.randbytes(rng.randrange(2, 64, 2))
        word, size = instruction(rng)
        code += (word & (1 << 8 * size) - 1).to_bytes(size, "little")
    return bytes(code)


@pytest.mark.parametrize("accel", ["tcg", "tcg,backend=interp"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_guest(tmp_path, seed, accel):
    path = tmp_path / "guest.bin"
    path.write_bytes(image(seed))
    with Machine(tmp_path, "-M", "virt", "-m", "64M", "-smp", "2", "-accel", accel, "-bios", str(path), "-action", "reboot=reset,shutdown=pause",
                 qmp=True) as machine:
        machine.pump(SECONDS)
        machine.qmp.command("query-status", deadline=5)
        machine.qmp.command("quit", deadline=5)
        assert machine.process.wait(10) == 0, machine.console[-2000:]


# ---- the campaign: so many minutes of CPU time, counted where guests spend it ----

GUEST_SECONDS = 4.0


def run_guest(folder, path, accel):
    """Until it has had its CPU time or has nothing left to do; gives back what it had."""
    with Machine(folder, "-M", "virt", "-m", "64M", "-smp", "2", "-accel", accel, "-bios", path, "-action", "reboot=reset,shutdown=pause",
                 qmp=True) as machine:
        pid, idle, before = machine.process.pid, 0, -1.0
        used = 0.0
        while machine.process.poll() is None and used < GUEST_SECONDS and idle < 4:
            machine.pump(0.25)
            used = user_time(pid)
            idle = idle + 1 if used == before and "R" not in thread_states(pid) else 0
            before = used
        try:
            registers = machine.qmp.command("human-monitor-command", **{"command-line": "info registers -a"}, deadline=60)
            status = machine.qmp.command("query-status", deadline=60)["status"]
            used = user_time(pid)
            machine.qmp.command("quit", deadline=60)
            machine.wait_exit(60)
        except (AssertionError, EOFError, OSError) as error:
            alive = machine.process.poll() is None
            raise AssertionError(f"{error!r}; {'threads ' + thread_states(pid) if alive else machine.process.returncode}, {used} s: {machine.tail()}")
        assert machine.process.returncode == 0 and b"Sanitizer" not in machine.console and b"runtime error" not in machine.console, machine.tail()
        assert registers.count("mstatus") == 2, registers
        return used, status


@pytest.mark.long
@pytest.mark.hostile
def test_minutes_of_random_guests(tmp_path):
    seed, left = int(os.environ.get("MYNAH_RANDOM_SEED", "1000")), 60 * float(os.environ.get("MYNAH_RANDOM_MINUTES", "10"))
    path, bad, total = tmp_path / "guest.bin", [], 0.0
    while total < left and len(bad) < 5:
        path.write_bytes(image(seed))
        for accel in ("tcg", "tcg,backend=interp"):
            try:
                used, status = run_guest(tmp_path, str(path), accel)
            except AssertionError as error:
                used, status = 0.0, f"BAD {error}"
                bad.append((seed, accel))
            total += used
            print(f"{time.strftime('%H:%M:%S')} seed {seed} {accel}: {used:.2f} s, {status}; {total:.0f} s in all", flush=True)
        seed += 1
    assert not bad, bad

# tests/functional/test_code_cache.py - -accel tcg,cache=DIR: a second start runs the first one's translations, and nobody else's.
import os
import re
import shutil
import time

import pytest

from conftest import Machine, PATIENCE, bare_program

M = 1_000_000
TIME = ["-icount", "shift=1,sleep=off", "-seed", "7", "-rtc", "base=2026-01-01,clock=vm"]


def info(machine):
    """Hits, misses, units loaded, units new."""
    text = machine.qmp.command("human-monitor-command", **{"command-line": "info jit"})
    hits, misses = re.search(r"code cache: (\d+) hits .* (\d+) misses", text).groups()
    loaded, new = re.search(r"(\d+) units of \d+ KiB loaded in .* (\d+) units of \d+ KiB new", text).groups()
    return int(hits), int(misses), int(loaded), int(new)


def dispatches(machine):
    text = machine.qmp.command("human-monitor-command", **{"command-line": "info jit"})
    return int(re.search(r"dispatches (\d+)", text).group(1))


def quit_and_read(machine):
    """Everything it printed, to the end."""
    machine.qmp.command("quit")
    machine.process.wait(60)
    machine.pump(0.2)
    return machine.console.decode(errors="replace")


def files(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".code"))


def start_firmware(start, firmware, folder, *more, **options):
    machine = start("-M", "virt", "-m", "128M", "-bios", firmware, "-accel", f"tcg,cache={folder}", *more, qmp=True, **options)
    machine.wait_for("OpenSBI")
    machine.wait_for(r"MEDELEG")
    return machine


def test_second_boot(start, linux, tmp_path):
    folder = tmp_path / "kept"
    consoles = []
    first = None
    for smp, share in ((1, 0.0), (1, 0.8), (3, 0.7)):
        machine = start("-M", "virt", "-m", "256M", "-smp", str(smp), "-accel", f"tcg,cache={folder}", *linux("uname -m", "expr 6 \\* 7; read x"), qmp=True)
        machine.wait_for(r"riscv64")
        machine.wait_for(r"\n42\r\n")
        hits, misses, loaded, new = info(machine)
        assert hits >= share * (hits + misses), (hits, misses)
        assert (loaded > 10000) == (share > 0) and (new > 10000) == (share == 0), (loaded, new)
        first = first or dispatches(machine)
        if smp == 1 and share: # ways that were gone the first time lead there at once
            assert dispatches(machine) < 0.6 * first, (dispatches(machine), first)
        consoles.append(quit_and_read(machine))
        assert "warning" not in consoles[-1]
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert [os.stat(folder / name).st_mode & 0o777 for name in files(folder)] == [0o600]


def until_shut_down(machine):
    end = time.monotonic() + 200 * PATIENCE
    while machine.qmp.command("query-status")["status"] != "shutdown":
        assert time.monotonic() < end
        time.sleep(0.05)


# What each of them rewrites, remaps and interrupts, on code that comes from the file: the first run makes it, the second is served from it, and so
# is the third, whose exit status tells whether the program found a fault.
@pytest.mark.parametrize("program, options", [
    ("crossing", ""), ("loop", ",tier2-threshold=1"), ("modify", ""), ("returns", ""), ("sstatus", ""), ("superpages", ""), ("tlb", ",thread=single"),
    ("two_addresses", ""), ("two_spaces", ",host-isa=v1"), ("unmask", ""),
])
def test_jit_programs_from_the_file(tmp_path, program, options):
    path = bare_program(program)
    (tmp_path / "kept").mkdir(mode=0o700)
    command = ["-M", "virt", "-m", "64M", "-smp", "2", "-bios", "none", "-kernel", path, "-accel", f"tcg,cache={tmp_path / 'kept'}{options}"]
    for run in range(3):
        with Machine(tmp_path, *command, *(["-no-shutdown"] if run == 1 else []), qmp=run == 1) as machine:
            if run == 1:
                until_shut_down(machine) # the event may have come before we did
                machine.pump(0.1)
                assert b"wanted:" not in machine.console
                hits, misses, _, _ = info(machine)
                assert hits > 20 and hits > 0.9 * (hits + misses), (hits, misses)
                machine.qmp.command("quit")
            status = machine.process.wait(200)
            machine.pump(0.2)
            assert run == 1 or status == 0, machine.console
            assert b"warning" not in machine.console


def test_counted_runs_are_the_same(start, linux, firmware, tmp_path):
    runs = []
    for accel in ("tcg", f"tcg,cache={tmp_path / 'kept'}", f"tcg,cache={tmp_path / 'kept'}"):
        machine = start("-M", "virt", "-m", "192M", "-S", *TIME, "-accel", accel, "-bios", firmware, *linux(), qmp=True)
        hashes = []
        for count in (3 * M, 200 * M + 1, 350 * M):
            machine.qmp.command("x-icount-stop", count=count)
            machine.qmp.command("cont")
            machine.qmp.event("STOP", 100)
            hashes.append(machine.qmp.command("x-query-icount"))
        if len(runs) == 2:
            hits, misses, _, _ = info(machine)
            assert hits > 0.9 * (hits + misses), (hits, misses)
        runs.append(hashes)
        quit_and_read(machine)
    assert runs == [runs[0]] * 3


def test_sigterm_keeps_what_is_new(start, firmware, tmp_path):
    machine = start_firmware(start, firmware, tmp_path / "kept")
    machine.process.terminate()
    machine.process.wait(60)
    machine = start_firmware(start, firmware, tmp_path / "kept")
    assert info(machine)[2] > 100
    quit_and_read(machine)


def test_two_at_once(start, firmware, tmp_path):
    folder = tmp_path / "kept"
    (tmp_path / "other").mkdir()
    with Machine(tmp_path / "other", "-M", "virt", "-m", "128M", "-bios", firmware, "-accel", f"tcg,cache={folder}", qmp=True) as other:
        machine = start_firmware(start, firmware, folder)
        other.wait_for("MEDELEG")
        assert info(machine)[2] == 0 and info(other)[2] == 0
        assert "warning" not in quit_and_read(machine)
        assert "warning" not in quit_and_read(other)
    machine = start_firmware(start, firmware, folder)
    hits, misses, loaded, _ = info(machine)
    assert loaded > 100 and hits > misses
    assert "warning" not in quit_and_read(machine)


def test_other_cpus_have_files_of_their_own(start, firmware, tmp_path):
    folder = tmp_path / "kept"
    for more in ([], ["-cpu", "rv64,zba=off,zbb=off"], ["-icount", "shift=1"]):
        machine = start_firmware(start, firmware, folder, *more)
        assert info(machine)[2] == 0
        quit_and_read(machine)
    assert len(files(folder)) == 3


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 1
    elif how == "cut":
        del data[len(data) * 2 // 3:]
    elif how == "empty":
        del data[:]
    elif how == "other build":
        data[16] ^= 1
    path.write_bytes(data)
    if how == "open":
        path.chmod(0o644)
    elif how == "link":
        path.rename(path.with_suffix(".real"))
        path.symlink_to(path.with_suffix(".real"))
    elif how == "pipe":
        path.unlink()
        os.mkfifo(path, 0o600)


@pytest.fixture(scope="module")
def kept(tmp_path_factory, firmware):
    """A folder with the file of the firmware."""
    folder = tmp_path_factory.mktemp("code")
    machine = Machine(folder, "-M", "virt", "-m", "128M", "-bios", firmware, "-accel", f"tcg,cache={folder / 'kept'}", qmp=True)
    try:
        machine.wait_for("MEDELEG")
        quit_and_read(machine)
    finally:
        machine.close()
    return folder / "kept"


@pytest.mark.parametrize("how, why", [("flip", "damaged"), ("cut", "cut off"), ("empty", "cut off"), ("other build", "header is damaged"),
                                      ("open", "open to others"), ("link", "a link"), ("pipe", "no file")])
def test_bad_files_are_ignored(start, firmware, kept, tmp_path, how, why):
    shutil.copytree(kept, tmp_path / "kept")
    os.chmod(tmp_path / "kept", 0o700)
    damage(tmp_path / "kept" / files(kept)[0], how)
    machine = start_firmware(start, firmware, tmp_path / "kept")
    assert info(machine)[2] == 0
    text = quit_and_read(machine)
    warnings = [line for line in text.splitlines() if "warning" in line]
    assert len(warnings) == 1 and why in warnings[0] and "code cache" in warnings[0], text
    machine = start_firmware(start, firmware, tmp_path / "kept") # a good one took its place
    assert info(machine)[2] > 100
    assert "warning" not in quit_and_read(machine)


def test_a_folder_that_cannot_be_used_at_the_end(start, firmware, tmp_path):
    """The reason is said, once."""
    machine = start_firmware(start, firmware, tmp_path / "kept")
    (tmp_path / "kept").chmod(0o755)
    warnings = [line for line in quit_and_read(machine).splitlines() if "warning" in line]
    assert len(warnings) == 1 and "is open to others (mode 755)" in warnings[0], warnings


@pytest.mark.parametrize("mode, options, message", [
    (0o755, "", r"is open to others \(mode 755\); name one of your own: what is not there yet is made"),
    (0o720, "", r"is open to others \(mode 720\)"),
    (None, "/missing/below", r"cannot make the folder '.*/missing/below': No such file or directory"),
    (0o700, ",backend=interp", r"code cannot be kept; leave out cache= or backend=interp"),
    (0o700, ",cache-size=1", r"cache-size"),
])
def test_bad_folders_are_refused(tmp_path, mode, options, message):
    folder = tmp_path / "kept"
    if mode is not None:
        folder.mkdir()
        folder.chmod(mode)
    machine = Machine(tmp_path, "-M", "virt", "-S", "-accel", f"tcg,cache={folder}{options}")
    assert machine.process.wait(20) == 1
    machine.pump(0.2)
    text = machine.console.decode(errors="replace")
    machine.close()
    assert len(text.splitlines()) == 1 and re.search(message, text), text

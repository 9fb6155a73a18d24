# tests/functional/test_hello.py - The small guest of tests/guests: console, clock, reset and the exit codes of the test device.
import resource
import subprocess

import pytest

from conftest import PATIENCE
from images import IMG, IO
from test_objects import BINARY, MIB

BACKENDS = ["tcg", "tcg,backend=interp"]


@pytest.mark.parametrize("accel", BACKENDS)
@pytest.mark.parametrize("boot", [["-bios"], ["-bios", "none", "-kernel"]])
def test_work_and_power_off(start, hello, accel, boot):
    machine = start("-M", "virt", "-m", "128M", "-accel", accel, *boot, hello)
    machine.wait_for("Hello from a small RISC-V guest on hart 0, with a device tree", 20)
    machine.type("p")
    machine.wait_for("There are 17984 primes below 200000", 60)
    machine.type("q")
    machine.wait_for("Good bye", 10)
    assert machine.wait_exit() == 0


def test_failure_is_the_exit_status(start, hello):
    machine = start("-M", "virt", "-bios", hello)
    machine.wait_for("> ", 20)
    machine.type("f")
    assert machine.wait_exit() == 5


def test_reset_starts_again(start, hello):
    machine = start("-M", "virt", "-bios", hello)
    for _ in range(20):
        machine.wait_for("Hello from", 20)
        machine.wait_for("> ", 20)
        machine.type("r")
    machine.wait_for("Hello from", 20)
    assert machine.process.poll() is None


def test_reset_with_no_reboot_ends(start, hello):
    machine = start("-M", "virt", "-bios", hello, "-no-reboot")
    machine.wait_for("> ", 20)
    machine.type("r")
    assert machine.wait_exit() == 0


def test_reset_by_a_client_with_no_reboot_ends_too(start, hello):
    machine = start("-M", "virt", "-bios", hello, "-no-reboot", qmp=True)
    machine.qmp.command("system_reset")
    assert machine.qmp.event("SHUTDOWN")["data"] == {"guest": False, "reason": "host-qmp-system-reset"}
    assert machine.wait_exit() == 0


def test_no_shutdown_keeps_the_process(start, hello):
    machine = start("-M", "virt", "-bios", hello, "-no-shutdown", qmp=True)
    machine.wait_for("> ", 20)
    machine.type("q")
    assert machine.qmp.event("SHUTDOWN")["data"] == {"guest": True, "reason": "guest-shutdown"}
    assert machine.qmp.command("query-status")["status"] == "shutdown"
    with pytest.raises(RuntimeError, match="Resetting the Virtual Machine is required"):
        machine.qmp.command("cont")
    # Started again, as libvirt does for a reboot that it fakes.
    machine.qmp.command("system_reset")
    machine.qmp.event("RESET")
    assert machine.qmp.command("query-status")["status"] == "prelaunch"
    machine.qmp.command("cont")
    machine.wait_for("Hello from", 20)
    machine.qmp.command("quit")
    assert machine.wait_exit() == 0


def test_stop_and_continue(start, hello):
    machine = start("-M", "virt", "-bios", hello, "-S", qmp=True)
    assert machine.qmp.command("query-status")["status"] == "prelaunch"
    machine.pump(0.2)
    assert b"Hello" not in machine.console
    machine.qmp.command("cont")
    machine.wait_for("> ", 20)
    for _ in range(20):
        machine.qmp.command("stop")
        machine.qmp.event("STOP")
        machine.type("t")
        machine.qmp.command("cont")
        machine.qmp.event("RESUME")
        machine.wait_for(r"\d seconds", 20)
    machine.qmp.command("system_reset")
    assert machine.qmp.event("RESET")["data"] == {"guest": False, "reason": "host-qmp-system-reset"}
    machine.wait_for("Hello from", 20)


@pytest.mark.parametrize("command, text", [
    ([BINARY, "-M", "virt", "-bios", "none", "-nographic"], "cannot create memory file 'mynah-state' of "),
    ([IMG, "create", "-f", "raw", "a.raw", "100M"], "File too large"),
    ([IO, "-c", "truncate 100M", "b.raw"], "File too large"),
])
def test_a_limit_on_files_is_an_error_with_a_message(tmp_path, command, text):
    (tmp_path / "b.raw").write_bytes(b"")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * PATIENCE, check=False, cwd=tmp_path,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB)))
    assert done.returncode == 1 and text in done.stdout + done.stderr

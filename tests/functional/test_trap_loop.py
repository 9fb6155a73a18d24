# tests/functional/test_trap_loop.py - A guest that traps at its own trap vector for ever does not keep the monitor from being heard.
import shutil
import subprocess
import time

import pytest
from conftest import PATIENCE, ROOT, Machine

CC = shutil.which("riscv64-linux-gnu-gcc")


@pytest.mark.skipif(not CC, reason="no riscv64 cross compiler")
@pytest.mark.parametrize("accel", ["tcg", "tcg,backend=interp"])
def test_quit_within_a_second(tmp_path, accel):
    guest = tmp_path / "loop.elf"
    subprocess.run([CC, "-nostdlib", "-static", "-march=rv64i_zicsr", "-mabi=lp64", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments", "-T", f"{ROOT}/tests/guests/hello.ld", "-o", str(guest),
                    f"{ROOT}/tests/jit/trap_loop.S"], check=True)
    with Machine(tmp_path, "-M", "virt", "-m", "64M", "-accel", accel, "-bios", "none", "-kernel", str(guest), qmp=True) as machine:
        machine.pump(0.3)
        start = time.monotonic()
        machine.qmp.command("stop")
        machine.qmp.command("cont")
        machine.qmp.command("quit")
        assert machine.process.wait(10) == 0
        assert time.monotonic() - start < 1 * PATIENCE

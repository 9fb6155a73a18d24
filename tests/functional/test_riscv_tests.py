# tests/functional/test_riscv_tests.py - The public riscv-tests, unmodified: every rv64 group of an extension that Mynah has, on both
# back ends. The end of a test is what it stores to `tohost`, seen by QMP. Sources: MYNAH_RISCV_TESTS (a checkout with its env/), or a
# clone in the cache; without either and without a network the test is skipped.
import glob
import os
import shutil
import subprocess
import time

import pytest

from conftest import CACHE, PATIENCE

GCC = "riscv64-linux-gnu-gcc"
SOURCE = "https://github.com/riscv-software-src/riscv-tests"
COMMIT = "34e6b6d1e7936b526075432fb730d89148623484"
GROUPS = ["rv64ui", "rv64um", "rv64ua", "rv64uf", "rv64ud", "rv64uc", "rv64uzfh", "rv64uzba", "rv64uzbb", "rv64uzbc", "rv64uzbs",
          "rv64uzbkb", "rv64uzbkx", "rv64uzicond", "rv64mi", "rv64si", "rv64ssvnapot", "rv64mzicbo"]
# Later extensions, or not for a hart of 64 bits with caches: P, instruction-cache coherence.
LATER = ["rv64up", "rv64uziccid"]
# minstret counts instructions with -icount only (docs: known deviations).
COUNTED = {"rv64mi/instret_overflow"}
MARCH = ["rv64g_zfh_zba_zbb_zbc_zbs_zbkb_zbkx_zicbom_zicboz_zicond", "rv64g_zfh_zba_zbb_zbc_zbs_zbkb_zbkx_zicbom_zicboz"]


def clone(folder):
    shutil.rmtree(folder, ignore_errors=True)
    commands = [["git", "clone", "-q", SOURCE, folder], ["git", "-C", folder, "checkout", "-q", COMMIT],
                ["git", "-C", folder, "submodule", "-q", "update", "--init", "env"]]
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    if any(subprocess.run(c, timeout=300, check=False, stderr=subprocess.DEVNULL, env=env).returncode for c in commands):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sources():
    folder = os.environ.get("MYNAH_RISCV_TESTS", os.path.join(CACHE, "riscv-tests"))
    if not shutil.which(GCC):
        pytest.skip(f"no {GCC}")
    if not os.path.exists(os.path.join(folder, "env", "p", "riscv_test.h")) and "MYNAH_RISCV_TESTS" not in os.environ:
        clone(folder)
    if not os.path.exists(os.path.join(folder, "env", "p", "riscv_test.h")):
        pytest.skip(f"riscv-tests cannot be fetched from {SOURCE}")
    return folder


def build(sources, source, output):
    """False: this assembler does not know the extension."""
    for march in MARCH:
        command = [GCC, f"-march={march}", "-mabi=lp64", "-static", "-mcmodel=medany", "-fvisibility=hidden", "-fno-pic", "-no-pie",
                   "-nostdlib", "-nostartfiles", "-Wl,--build-id=none", f"-I{sources}/env/p", f"-I{sources}/isa/macros/scalar",
                   f"-T{sources}/env/p/link.ld", source, "-o", output]
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return True
    return False


def symbol(elf, name):
    for line in subprocess.run(["nm", elf], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
        if line.split()[-1] == name:
            return int(line.split()[0], 16)
    raise AssertionError(f"{elf}: no symbol {name}")


def outcome(machine, address, folder, deadline=20):
    """What the test stores to tohost: 1 is success, else twice the number of the failed case plus 1; None: nothing."""
    end = time.monotonic() + deadline * PATIENCE
    path = os.path.join(folder, "tohost")
    while time.monotonic() < end:
        machine.qmp.command("pmemsave", val=address, size=4, filename=path)
        with open(path, "rb") as f:
            value = int.from_bytes(f.read(), "little")
        if value:
            return value
        time.sleep(0.01)
    return None


@pytest.mark.long
@pytest.mark.parametrize("accel", ["tcg", "tcg,backend=interp"])
@pytest.mark.parametrize("group", GROUPS)
def test_group(start, sources, tmp_path, group, accel):
    failed, unknown, passed = [], [], 0
    for source in sorted(glob.glob(os.path.join(sources, "isa", group, "*.S"))):
        name = os.path.splitext(os.path.basename(source))[0]
        elf = str(tmp_path / f"{group}-{name}")
        if not build(sources, source, elf):
            unknown.append(name)
            continue
        counting = ["-icount", "shift=0"] if f"{group}/{name}" in COUNTED else []
        machine = start("-M", "virt", "-cpu", "max", "-m", "128M", "-accel", accel, "-bios", elf, *counting, qmp=True)
        value = outcome(machine, symbol(elf, "tohost"), str(tmp_path))
        machine.close()
        if value == 1:
            passed += 1
        else:
            failed.append(f"{name}: " + ("no end" if value is None else f"case {value >> 1}"))
    print(f"{group}: {passed} passed, {len(failed)} failed, not assembled: {unknown}")
    assert not failed
    if not passed:
        pytest.skip("this assembler lacks the extension" if unknown else "no such group")


@pytest.mark.long
@pytest.mark.parametrize("group", LATER)
def test_later(group):
    pytest.skip("extension of a later issue")

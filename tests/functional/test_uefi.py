# tests/functional/test_uefi.py - Flash chips with contents: EDK2 boots from them and keeps its variables there.
import os
import shutil
import subprocess

import pytest

from conftest import cached, wait_unlocked

FLASH = 32 << 20


@pytest.fixture
def flashes(tmp_path):
    """Fresh copies of Debian's EDK2: code and variables."""
    for name in ("RISCV_VIRT_CODE.fd", "RISCV_VIRT_VARS.fd"):
        shutil.copy(cached("uefi", name), tmp_path / name)
    return tmp_path / "RISCV_VIRT_CODE.fd", tmp_path / "RISCV_VIRT_VARS.fd"


def to_the_shell(machine):
    machine.wait_for("Press ESCAPE within", 60)
    machine.type("\r")
    machine.wait_for("any other key to continue", 60)
    machine.type("\r")
    machine.wait_for("Shell> ", 60)


def ask(machine, command, answer):
    machine.type(command + "\r")
    machine.wait_for(answer, 30)
    machine.wait_for("Shell> ", 30)


def test_variables_persist(start, firmware, flashes):
    code, variables = flashes
    before = variables.read_bytes()
    machine = start("-M", "virt", "-m", "256M", "-bios", firmware, "-drive", f"if=pflash,unit=0,readonly=on,format=raw,file={code}",
                    "-drive", f"if=pflash,unit=1,format=raw,file={variables}")
    to_the_shell(machine)
    ask(machine, "set mynah kept-in-flash", "mynah kept-in-flash")
    machine.type("reset -c\r")
    to_the_shell(machine)
    ask(machine, "set mynah", r"mynah \S*= \S*kept-in-flash")
    machine.process.kill()  # what the guest was told is written is in the file
    machine.wait_exit()
    wait_unlocked(variables)
    assert "kept-in-flash".encode("utf-16-le") in variables.read_bytes() and variables.read_bytes() != before
    # As in a libvirt command line, by name of block nodes.
    machine = start("-M", "virt,pflash0=code,pflash1=vars", "-m", "256M", "-bios", firmware,
                    "-blockdev", f"node-name=code,driver=file,read-only=on,filename={code}", "-blockdev", f"node-name=vars,driver=file,filename={variables}")
    to_the_shell(machine)
    ask(machine, "set mynah", r"mynah \S*= \S*kept-in-flash")
    assert code.read_bytes() == open(cached("uefi", "RISCV_VIRT_CODE.fd"), "rb").read()


def test_snapshot_forgets(start, firmware, flashes):
    code, variables = flashes
    before = variables.read_bytes()
    machine = start("-snapshot", "-M", "virt", "-m", "256M", "-bios", firmware, "-pflash", code, "-pflash", variables)
    to_the_shell(machine)
    machine.type("reset -s\r")
    assert machine.wait_exit() == 0
    assert variables.read_bytes() == before


@pytest.mark.parametrize("arguments,text", [
    (["-drive", "if=pflash,format=raw,file=small"], "'/machine/virt.flash0' requires 33554432 bytes, pflash0 block backend provides 1048576 bytes"),
    (["-drive", "if=pflash,unit=2,format=raw,file=full"], "machine type does not support if=pflash,bus=0,unit=2"),
    (["-drive", "if=pflash,unit=1,format=raw,file=full", "-drive", "if=pflash,unit=1,format=raw,file=full"], "drive with bus=0, unit=1 (index=-1) exists"),
    (["-drive", "if=pflash,unit=1,index=1,format=raw,file=full"], "index cannot be used with bus and unit"),
    (["-drive", "if=pflash"], 'A block device must be specified for "file"'),
    (["-M", "virt,pflash0=nothing"], "can't find value 'nothing'"),
    (["-M", "virt,pflash0=a", "-blockdev", "node-name=a,driver=file,filename=full", "-pflash", "full"], "clashes with -machine"),
    (["-initrd", "small"], "-initrd needs -kernel"),
    (["-initrd", "small", "-bios", "small", "-pflash", "full"], "-initrd needs -kernel"),
    (["-drive", "if=virtio"], "Device needs media, but drive is empty"),
    (["-drive", "if=ide,format=raw,file=full"], "machine type does not support if=ide,bus=0,unit=0"),
    (["-hdc", "full", "-cdrom", "full"], "drive with bus=0, unit=2 (index=2) exists"),
    (["missing.img"], "Could not open 'missing.img'"),
])
def test_mistakes_get_one_clear_line(arguments, text, tmp_path):
    program = os.path.abspath(os.environ.get("MYNAH", "build/mynah-system-riscv64"))
    (tmp_path / "small").write_bytes(bytes(1 << 20))
    (tmp_path / "full").write_bytes(bytes(FLASH))
    result = subprocess.run([program, "-M", "virt", "-display", "none", "-S", "-bios", "none", *arguments], capture_output=True, text=True, timeout=60,
                            cwd=tmp_path, check=False)
    assert result.returncode == 1 and text in result.stderr, result


def test_shorthands_make_disks(start, tmp_path):
    for name in "abc":
        (tmp_path / name).write_bytes(bytes(1 << 20))
    machine = start("-M", "virt", "-S", "-bios", "none", "a", "-hdb", "b", "-cdrom", "c", qmp=True)
    disks = machine.qmp.command("query-block")
    assert [(disk["device"], disk["inserted"]["ro"]) for disk in disks] == [("virtio0", False), ("virtio1", False), ("virtio2", True)]
    assert all("virtio-backend" in disk["qdev"] or "device[" in disk["qdev"] for disk in disks)

# tests/functional/test_nvme.py - Debian's driver on NVMe disks; hot-plug is tests/device/'s business: its kernel has none.
import hashlib
import random

import pytest

from test_images import IMG, run

SIZE = 8 << 20


def test_debian_reads_and_writes(start, linux, firmware, tmp_path):
    """What the host wrote is what the guest reads; what the guest copies to the other namespace is what the host reads."""
    content = random.Random(4711).randbytes(SIZE)
    (tmp_path / "a.raw").write_bytes(content)
    run(IMG, "convert", "-O", "qcow2", str(tmp_path / "a.raw"), str(tmp_path / "a"))
    (tmp_path / "b").write_bytes(bytes(SIZE))
    commands = ["md5sum /dev/nvme0n1", "dd if=/dev/nvme0n1 of=/dev/nvme0n2 bs=1M conv=fsync", "dd if=/dev/nvme0n1 of=/dev/nvme0n2 bs=4k count=50 oflag=direct",
                "blkdiscard -f -l 65536 /dev/nvme0n1 || echo none", "cat /sys/block/nvme0n1/queue/write_cache"]
    machine = start("-M", "virt", "-m", "512M", "-smp", "2", "-bios", firmware, *linux(*commands, modules=["nvme"]), "-d", "guest_errors",
                    "-drive", "file=a,format=qcow2,if=none,id=a", "-drive", "file=b,format=raw,if=none,id=b",
                    "-device", "nvme,serial=s1,drive=a,id=n0", "-device", "nvme-ns,drive=b,bus=n0,nsid=2")
    machine.wait_for(hashlib.md5(content).hexdigest(), 120)
    machine.wait_for("write back", 60)
    machine.wait_for("Power down", 60)
    assert machine.wait_exit() == 0
    assert b"nvme: " not in machine.console and b"I/O error" not in machine.console
    assert (tmp_path / "b").read_bytes() == content


def test_hot_plug_and_properties(start, tmp_path):
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    machine = start("-M", "virt", "-S", "-bios", "none", "-device", "pcie-root-port,id=port,chassis=1", qmp=True)
    machine.qmp.command("blockdev-add", **{"driver": "file", "filename": str(tmp_path / "a"), "node-name": "a"})
    machine.qmp.command("device_add", driver="nvme", id="n1", bus="port", drive="a", serial="x")
    disks = machine.qmp.command("query-block")
    assert [disk["qdev"] for disk in disks] == ["/machine/peripheral/n1"]
    with pytest.raises(RuntimeError, match="in use"):
        machine.qmp.command("blockdev-del", **{"node-name": "a"})
    machine.qmp.command("device_del", id="n1")
    machine.qmp.command("system_reset")
    machine.qmp.event("DEVICE_DELETED")
    machine.qmp.command("blockdev-del", **{"node-name": "a"})

# tests/functional/test_nvme.py - Debian's driver on NVMe disks; hot-plug is tests/device/'s business: its kernel has none.
import hashlib
import random

import pytest

from filesystems import ext4
from test_images import IMG, run

SIZE = 8 << 20
# Linux 6.12 looks at namespaces at the same time: /dev/nvme0n1 is the first it found, not the one of nsid 1. Links with their numbers.
BY_NUMBER = "cd /sys/block && for n in nvme0n*; do ln -s /dev/$n /dev/ns$(cat $n/nsid); done"


def test_debian_reads_and_writes(start, linux, firmware, tmp_path):
    """What the host wrote is what the guest reads; what the guest copies to the other namespace is what the host reads."""
    content = random.Random(4711).randbytes(SIZE)
    (tmp_path / "a.raw").write_bytes(content)
    run(IMG, "convert", "-O", "qcow2", str(tmp_path / "a.raw"), str(tmp_path / "a"))
    (tmp_path / "b").write_bytes(bytes(SIZE))
    commands = [BY_NUMBER, "md5sum /dev/ns1", "dd if=/dev/ns1 of=/dev/ns2 bs=1M conv=fsync", "dd if=/dev/ns1 of=/dev/ns2 bs=4k count=50 oflag=direct",
                "blkdiscard -f -l 65536 /dev/ns1 || echo none", "cat /sys/block/nvme0n1/queue/write_cache"]
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


def test_file_is_what_the_guest_sees(start, linux, firmware, tmp_path):
    """
    A file changes by what the guest writes, and by nothing else: not at the first boot, not by reading, not by mounting read-only.
    And what the guest unmounted is in the file while the machine runs, whatever the host's caching.
    """
    drives = {"writeback": "a1,cache=writeback", "none": "a2,cache=none", "writethrough": "a3,cache=writethrough", "qcow2": "a4"}
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "issue").write_text("Welcome to NVMe\n")
    names = [drive.partition(",")[0] for drive in drives.values()]
    for name in names:
        ext4(tmp_path / name, tmp_path / "files", 4)
    (tmp_path / "a4").rename(tmp_path / "raw")
    run(IMG, "convert", "-f", "raw", "-O", "qcow2", str(tmp_path / "raw"), str(tmp_path / "a4"))
    sums = "for d in /dev/ns?; do echo 3 >/proc/sys/vm/drop_caches; md5sum $d; done; read pause"
    machine = start("-M", "virt", "-m", "512M", "-smp", "2", "-bios", firmware, *linux(
        BY_NUMBER, sums, "for d in /dev/ns?; do mount -t ext4 -o ro,noload $d /root && cat /root/issue && umount /root; done; " + sums,
        "for d in /dev/ns?; do mount -t ext4 $d /root && dd if=/dev/urandom of=/root/new bs=300k count=3 2>/dev/null; umount /root; done; " + sums,
        modules=["nvme", "crc32c_generic", "ext4"]),
        "-device", "nvme,serial=s,id=n0", *(word for i, (kind, drive) in enumerate(drives.items()) for word in (
            "-drive", f"file={drive},format={'qcow2' if kind == 'qcow2' else 'raw'},if=none,id=d{i}", "-device", f"nvme-ns,drive=d{i},bus=n0,nsid={i + 1}")))

    def on_the_host():
        run(IMG, "convert", "-U", "-f", "qcow2", "-O", "raw", str(tmp_path / "a4"), str(tmp_path / "raw"))
        return [hashlib.md5((tmp_path / name).read_bytes()).hexdigest() for name in (*names[:-1], "raw")]

    def in_the_guest():
        return [machine.wait_for(rf"([0-9a-f]{{32}})  /dev/ns{i + 1}\r\n", 120).group(1).decode() for i in range(len(names))]

    before = on_the_host()
    assert in_the_guest() == before == on_the_host()
    machine.type("\n")
    assert in_the_guest() == before == on_the_host()
    assert machine.console.count(b"Welcome to NVMe\r\n") == len(names)
    machine.type("\n")
    written = in_the_guest()
    assert written == on_the_host() and not set(written) & set(before)
    machine.type("\n")
    machine.wait_for("Power down", 60)
    assert machine.wait_exit() == 0
    assert written == on_the_host()

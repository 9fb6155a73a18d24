# tests/functional/test_day.py - A machine to work on: the short part of tests/day, and (long) tests/day/debian.py stage by stage.
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT, cached
from test_images import IMG, run

sys.path.append(os.path.join(ROOT, "tests", "day"))
from guest import Guest, initramfs  # noqa: E402

MODULES = ["virtio_mmio", "virtio_blk", "virtio_scsi", "sd_mod", "nvme", "crc32c_generic", "ext4", "9p", "9pnet_virtio"]
DISKS = {"virtio-blk-pci": (["-device", "virtio-blk-pci,drive=hd0"], "vda"), "virtio-blk-device": (["-device", "virtio-blk-device,drive=hd0"], "vda"),
         "virtio-scsi-pci": (["-device", "virtio-scsi-pci,id=s", "-device", "scsi-hd,drive=hd0,bus=s.0"], "sda")}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Debian's programs on ext4, as the backing file of what the tests write to."""
    mke2fs = shutil.which("mke2fs", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    if not mke2fs:
        pytest.skip("no mke2fs")
    folder = tmp_path_factory.mktemp("day")
    subprocess.run([mke2fs, "-q", "-t", "ext4", "-d", cached("userland"), str(folder / "raw"), "400M"], check=True)
    run(IMG, "convert", "-f", "raw", "-O", "qcow2", str(folder / "raw"), str(folder / "base.qcow2"))
    (folder / "raw").unlink()
    initramfs(folder / "initrd.gz", *MODULES)
    return folder


@pytest.mark.parametrize("disk", ["virtio-blk-pci", *(pytest.param(disk, marks=pytest.mark.long) for disk in ("virtio-blk-device", "virtio-scsi-pci"))])
def test_files_survive_on(base, firmware, tmp_path, disk):
    """Debian's own programs work on a qcow2 with a backing file; files keep their bytes, and e2fsck finds nothing."""
    seed = int(os.environ.get("MYNAH_SEEDS", "1").split(",")[0])
    dice = random.Random(seed)
    (tmp_path / "share").mkdir()
    for i in range(20):
        (tmp_path / "share" / f"f{i}").write_bytes(dice.randbytes(dice.randrange(1, 3 << 20)))
    sums = "".join(f"{hashlib.sha256((tmp_path / 'share' / f'f{i}').read_bytes()).hexdigest()}  f{i}\n" for i in range(20))
    (tmp_path / "share" / "sums").write_text(sums)
    run(IMG, "create", "-q", "-f", "qcow2", "-b", str(base / "base.qcow2"), "-F", "qcow2", str(tmp_path / "day.qcow2"))
    options, name = DISKS[disk]
    with Guest(tmp_path, "-M", "virt", "-m", "512M", "-smp", "2", "-bios", firmware, "-kernel", cached("linux-riscv64", "vmlinuz"), "-initrd", base / "initrd.gz",
               "-append", "console=ttyS0 quiet", "-drive", f"file={tmp_path}/day.qcow2,if=none,id=hd0", *options, "-virtfs",
               f"local,path={tmp_path}/share,mount_tag=share,security_model=none") as guest:
        guest.wait_for("guest: ready", 90)
        guest.sh(f"mkdir -p /r && mount -t ext4 /dev/{name} /r && mount -t devtmpfs dev /r/dev && mount -t proc proc /r/proc && mkdir /r/s && "
                 "mount -t 9p -o trans=virtio,version=9p2000.L share /r/s")
        guest.sh("chroot /r bash -c 'mkdir /w && cp /s/f* /w && sync && cd /w && sha256sum --quiet -c /s/sums'", 90)
        guest.sh("chroot /r bash -c 'cd /w && for i in 3 7 11; do rm f$i && cp f1 f$i; done && for i in *; do mv $i x$i; done && sync'")
        guest.sh("echo 3 >/proc/sys/vm/drop_caches; chroot /r bash -c 'cd /w && for i in x*; do mv $i ${i#x}; done && cp /s/f3 /s/f7 /s/f11 . && sha256sum --quiet -c /s/sums'", 90)
        guest.sh(f"umount /r/s /r/proc && mount -o remount,ro /r && chroot /r /usr/sbin/e2fsck -fn /dev/{name}", 90)
        assert not re.findall(r".*(?:I/O error|hung_task|Call Trace|rcu.*stall|EXT4-fs error).*", guest.sh("dmesg"))
        guest.type("poweroff -f\n")
        assert guest.wait_exit(30) == 0
    run(IMG, "check", "-q", str(tmp_path / "day.qcow2"))


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """Where the stages of tests/day/debian.py leave the disk to each other; a few GB."""
    for part in ("debootstrap", "installer", "linux-riscv64", "uefi"):
        cached(part)
    folder = tmp_path_factory.mktemp("debian")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.long
@pytest.mark.parametrize("stage", ["install", "disks", "uefi", "work", "bytes", "screens", "installer"])
def test_day_of(stage, day):
    if stage not in ("install", "installer") and not (day / "share" / "kernel").exists():
        pytest.skip("nothing is installed")
    result = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tests", "day", "debian.py"), "-d", str(day), stage], capture_output=True, text=True, check=False)
    print(result.stdout)
    assert result.returncode == 0 and "day: done" in result.stdout, result.stdout + result.stderr[-3000:]

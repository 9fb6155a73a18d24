# tests/functional/test_scsi.py - Debian's kernel uses SCSI disks and CD-ROM drives: data, plugging in and out while in use, trays.
import os

import pytest

from test_images import IMG, IO, run

MODULES = ["virtio_mmio", "virtio_scsi", "sd_mod", "sr_mod"]


@pytest.fixture
def image(tmp_path):
    """A qcow2 image of 64 MiB whose first 8 MiB are the returned bytes."""
    content = os.urandom(1 << 20) * 8
    (tmp_path / "raw").write_bytes(content)
    run(IMG, "convert", "-f", "raw", "-O", "qcow2", str(tmp_path / "raw"), str(tmp_path / "disk.qcow2"))
    run(IMG, "resize", "-q", str(tmp_path / "disk.qcow2"), "64M")
    return tmp_path / "disk.qcow2", content


@pytest.mark.parametrize("adapter", ["virtio-scsi-pci", "virtio-scsi-device", "virtio-scsi-pci,packed=on,iothread=io"])
def test_linux_copies_and_discards(start, linux, firmware, image, tmp_path, adapter):
    path, content = image
    machine = start("-M", "virt", "-m", "512M", "-smp", "2", "-bios", firmware, "-object", "iothread,id=io", "-device", f"{adapter},id=s",
                    "-drive", f"file={path},if=none,id=hd0,discard=unmap", "-device", "scsi-hd,drive=hd0,bus=s.0,serial=serial1",
                    *linux("dd if=/dev/sda of=/dev/sda bs=64k count=128 seek=256 conv=fsync 2>/dev/null",
                           "cat /sys/block/sda/device/model /sys/block/sda/device/wwid; hexdump -C /sys/block/sda/device/vpd_pg80 | head -1",
                           "echo cached: $(cat /sys/block/sda/queue/write_cache) $(cat /sys/block/sda/queue/discard_granularity)",
                           "blkdiscard /dev/sda -o 0 -l 4194304 && echo discarded", "sync", modules=MODULES), qmp=True)
    machine.wait_for("QEMU HARDDISK", 90)
    machine.wait_for("serial1", 30)
    machine.wait_for(r"cached: write back 4096", 30)
    machine.wait_for(r"guest: done", 30)
    assert machine.wait_exit() == 0
    run(IMG, "check", str(path))
    run(IMG, "convert", "-O", "raw", str(path), str(tmp_path / "out"))
    out = (tmp_path / "out").read_bytes()
    assert out[16 << 20:24 << 20] == content and out[4 << 20:8 << 20] == content[4 << 20:]
    assert out[:4 << 20] in (bytes(4 << 20), content[:4 << 20])


@pytest.mark.parametrize("adapter", ["virtio-scsi-pci,id=s", '{"driver":"virtio-scsi-pci","id":"s","iothread-vq-mapping":[{"iothread":"t0"},{"iothread":"t1"}]}'],
                         ids=["main", "iothreads"])
def test_disk_comes_and_goes_in_use(start, linux, firmware, image, adapter):
    """The guest reads a disk all the time while another one comes and goes, and the one that goes is in use."""
    path, content = image
    machine = start("-M", "virt", "-m", "512M", "-smp", "2", "-bios", firmware, "-object", "iothread,id=t0", "-object", "iothread,id=t1",
                    "-device", adapter, "-drive", f"file={path},if=none,id=hd0", "-device", "scsi-hd,drive=hd0,bus=s.0",
                    "-blockdev", "null-co,node-name=n,size=16M,read-zeroes=on", *linux(modules=MODULES), qmp=True)
    machine.wait_for("guest: ready", 90)
    machine.type("while :; do dd if=/dev/sda bs=64k count=128 iflag=direct 2>/dev/null | md5sum; done > /sums & echo begun=$?\n")
    machine.wait_for(r"begun=0", 20)
    for turn in range(3):
        machine.qmp.command("device_add", driver="scsi-hd", id="hot", drive="n", bus="s.0", lun=1 + turn, **{"scsi-id": 0})
        machine.type(f"until [ -b /dev/sdb ]; do sleep 0.1; done; dd if=/dev/sdb of=/dev/null bs=4k iflag=direct & sleep 0.2; echo there=$(({turn}+1))\n")
        machine.wait_for(f"there={turn + 1}", 60)
        machine.qmp.command("device_del", id="hot")
        assert machine.qmp.event("DEVICE_DELETED")["data"]["device"] == "hot"
        machine.type(f"while [ -b /dev/sdb ]; do sleep 0.1; done; echo gone=$(({turn}+1))\n")
        machine.wait_for(f"gone={turn + 1}", 60)
    machine.type("kill %1; sort -u /sums | cut -d' ' -f1 | tail -n +1; wc -l < /sums; echo count=$(sort -u /sums | wc -l)\n")
    machine.wait_for(r"count=1\r\n", 30)
    machine.type("exit\n")
    assert machine.wait_exit() == 0


def test_cd_trays(start, linux, firmware, tmp_path):
    for name, byte in (("a.iso", b"A"), ("b.iso", b"B")):
        (tmp_path / name).write_bytes(byte * (1 << 20))
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, "-device", "virtio-scsi-pci", "-drive", f"file={tmp_path}/a.iso,if=none,id=cd,media=cdrom,format=raw",
                    "-device", "scsi-cd,drive=cd,id=cd0", *linux(modules=MODULES), qmp=True)
    qmp = machine.qmp
    machine.wait_for("guest: ready", 90)
    machine.type("until [ -b /dev/sr0 ]; do sleep 0.1; done; head -c 4 /dev/sr0; echo; blockdev --getsize64 /dev/sr0; echo closed=$?\n")
    machine.wait_for(r"AAAA\r\n1048576\r\nclosed=0", 30)
    qmp.command("blockdev-change-medium", id="cd0", filename=str(tmp_path / "b.iso"), format="raw")
    assert qmp.event("DEVICE_TRAY_MOVED")["data"] == {"device": "cd", "id": "cd0", "tray-open": True}
    assert qmp.event("DEVICE_TRAY_MOVED")["data"]["tray-open"] is False
    machine.type("head -c 4 /dev/sr0; echo; echo again=$?\n")
    machine.wait_for(r"BBBB\r\nagain=0", 30)
    machine.type("exec 3</dev/sr0; echo held=$?\n")  # an open drive is locked
    machine.wait_for("held=0", 30)
    with pytest.raises(RuntimeError, match="is locked"):
        qmp.command("eject", id="cd0")
    machine.type("exec 3<&-; echo released=$?\n")
    machine.wait_for("released=0", 30)
    qmp.command("eject", id="cd0")
    info = qmp.command("query-block")[0]
    assert info["removable"] and info["tray_open"]
    assert "tray open" in qmp.command("human-monitor-command", **{"command-line": "info block"})
    assert qmp.command("human-monitor-command", **{"command-line": f"change cd {tmp_path}/a.iso"}) == ""
    machine.type("head -c 4 /dev/sr0; echo; echo last=$?\n")
    machine.wait_for(r"AAAA\r\nlast=0", 30)
    machine.type("exit\n")
    assert machine.wait_exit() == 0


@pytest.mark.parametrize("device,adapter", [("scsi-hd,drive=d", "virtio-scsi-pci"), ("nvme-ns,drive=d", "nvme,serial=1"), ("virtserialport", "virtio-serial-pci")])
def test_a_device_without_its_adapter_gets_a_hint(start, device, adapter):
    drive = ["-blockdev", "null-co,node-name=d,size=1M"]
    machine = start("-M", "virt", "-S", *drive, "-device", device)
    assert machine.wait_exit() == 1 and f"put -device {adapter} before it" in machine.tail(), machine.tail()
    machine = start("-M", "virt", "-S", *drive, "-device", adapter, "-device", device, qmp=True)  # the advice is right
    machine.qmp.command("quit")
    assert machine.wait_exit() == 0

# tests/functional/test_virtio.py - Debian's kernel uses virtio devices on every transport.
import socket

import pytest

TRANSPORTS = [("virtio-rng-device", []), ("virtio-rng-device", ["-global", "virtio-mmio.force-legacy=off"]), ("virtio-rng-pci", []),
              ("virtio-rng-pci,packed=on", []), ("virtio-rng-pci,disable-modern=on", [])]


@pytest.mark.parametrize("device,more", TRANSPORTS)
def test_linux_reads_hwrng(start, linux, firmware, tmp_path, device, more):
    source = tmp_path / "entropy"
    source.write_bytes(b"words of the host\n" * 5000)
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, *more, "-object", f"rng-random,id=rng,filename={source}",
                    "-device", f"{device},rng=rng",
                    *linux("cat /sys/class/misc/hw_random/rng_current", "head -c 3600 /dev/hwrng | grep -c 'words of the host'", modules=["virtio_mmio", "virtio_rng"]))
    machine.wait_for(r"\r\nvirtio_rng\.0\r\n", 60)
    lines = machine.wait_for(r"\r\n(\d+)\r\nguest: done", 30)
    assert 190 <= int(lines.group(1)) <= 201
    assert machine.wait_exit() == 0


SERIAL = ["virtio-serial-pci,id=vs", "virtio-serial-device,id=vs", "virtio-serial-pci,id=vs,packed=on"]


@pytest.mark.parametrize("device", SERIAL)
def test_linux_talks_through_a_port(start, linux, firmware, tmp_path, device):
    path = str(tmp_path / "port")
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, "-device", device, "-chardev", f"socket,path={path},server=on,wait=off,id=c",
                    "-device", "virtserialport,bus=vs.0,chardev=c,name=org.mynah.test,id=port", "-chardev", "file,id=log,path=log",
                    "-device", "virtconsole,chardev=log",
                    *linux("until grep -q org.mynah /sys/class/virtio-ports/*/name 2>/dev/null; do sleep 0.1; done",  # the kernel adds ports by a work queue
                           "cat /sys/class/virtio-ports/*/name", "p=$(dirname $(grep -l org.mynah /sys/class/virtio-ports/*/name)); read word </dev/${p##*/}; "
                           "echo got $word; seq 1 20000 >/dev/${p##*/}", "echo to the console >/dev/hvc0", modules=["virtio_mmio"]), qmp=True)
    machine.wait_for(r"\r\norg\.mynah\.test\r\n", 60)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        peer.sendall(b"hello\n")
        machine.wait_for(r"\r\ngot hello\r\n", 30)
        wanted, got = b"".join(b"%d\n" % i for i in range(1, 20001)), b""
        peer.settimeout(60)
        while len(got) < len(wanted):
            got += peer.recv(65536)
        assert got == wanted
    assert machine.qmp.event("VSERPORT_CHANGE")["data"] == {"id": "port", "open": True}
    assert machine.qmp.event("VSERPORT_CHANGE")["data"]["open"] is False
    assert machine.wait_exit() == 0
    assert b"to the console" in (tmp_path / "log").read_bytes()


@pytest.mark.parametrize("device", ["virtio-balloon-pci", "virtio-balloon-device"])
def test_linux_gives_memory(start, linux, firmware, device):
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, "-device", f"{device},id=b,free-page-reporting=on",
                    *linux(modules=["virtio_mmio", "virtio_balloon"]), qmp=True)
    qmp = machine.qmp
    machine.wait_for(r"guest: ready", 60)
    assert qmp.command("query-balloon") == {"actual": 512 << 20}
    qmp.command("balloon", value=384 << 20)
    actual = 512 << 20
    while actual > 384 << 20:
        actual = qmp.event("BALLOON_CHANGE", 30)["data"]["actual"]
    assert qmp.command("query-balloon") == {"actual": 384 << 20}
    backend = "/machine/peripheral/b"
    qmp.command("qom-set", path=backend, property="guest-stats-polling-interval", value=1)
    machine.type("free -m\n")
    machine.wait_for(r"Mem:", 20)
    for _ in range(200):
        stats = qmp.command("qom-get", path=backend, property="guest-stats")
        if stats["last-update"]:
            break
        machine.pump(0.1)
    assert 256 << 20 < stats["stats"]["stat-total-memory"] < 512 << 20
    qmp.command("balloon", value=512 << 20)
    while actual < 512 << 20:
        actual = qmp.event("BALLOON_CHANGE", 30)["data"]["actual"]
    machine.type("exit\n")
    assert machine.wait_exit() == 0

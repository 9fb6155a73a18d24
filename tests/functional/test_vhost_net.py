# tests/functional/test_vhost_net.py - -netdev vhost-user: Debian's Linux talks to a back end that comes, goes, comes back, or keeps silent.
import os
import socket
import subprocess
import sys
import time

import pytest

from conftest import PATIENCE

BACKEND = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vhost_backend.py")
SHARED = ["-M", "virt,memory-backend=mem0", "-m", "256M", "-object", "memory-backend-memfd,id=mem0,size=256M,share=on"]
CHARDEV = "socket,id=c0,path=net.sock,reconnect-ms=100"


@pytest.fixture
def backend(tmp_path):
    """backend() starts one, which listens then: the emulator's patience with it (5 s) is not for the start of Python on a busy machine."""
    processes = []

    def run():
        processes.append(subprocess.Popen([sys.executable, BACKEND, str(tmp_path / "net.sock")], stdout=subprocess.PIPE))
        assert processes[-1].stdout.readline() == b"listening\n"
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("card, modules", [("virtio-net-pci", ["virtio_net"]), ("virtio-net-device", ["virtio_mmio", "virtio_net"])])
def test_linux(start, linux, firmware, backend, card, modules):
    """Frames both ways; the back end is killed (no carrier) and started again (the ring's buffers are still there)."""
    first = backend()
    machine = start(*SHARED, "-bios", firmware, "-chardev", CHARDEV, "-netdev", "vhost-user,id=n0,chardev=c0,vhostforce=on", "-device", f"{card},netdev=n0",
                    *linux("ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up; ping -c 3 -s 1000 10.0.0.2; echo next; read x",
                           "echo carrier $(cat /sys/class/net/eth0/carrier); read x",
                           "until [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do sleep 0.1; done; ping -c 3 10.0.0.2", modules=modules), qmp=True)
    machine.wait_for("3 packets received, 0% packet loss")
    machine.wait_for("\nnext")
    assert "n0: index=0,type=vhost-user,vhost-user0 to c0" in machine.qmp.command("human-monitor-command", **{"command-line": "info network"})
    first.kill()
    machine.qmp.event("NETDEV_VHOST_USER_DISCONNECTED")
    machine.type("\n")
    machine.wait_for("carrier 0")
    backend()
    event = machine.qmp.event("NETDEV_VHOST_USER_CONNECTED")
    assert event["data"] == {"netdev-id": "n0", "chardev-id": "c0"}
    machine.type("\n")
    machine.wait_for("3 packets received, 0% packet loss")

    assert machine.wait_exit() == 0


def test_by_qmp(start, backend):
    """netdev_add and _del; one that never answers is given up after a bounded time, and nothing is left of it."""
    machine = start(*SHARED, "-S", "-bios", "none", "-device", "pcie-root-port,id=rp,chassis=1,slot=1", qmp=True)
    qmp = machine.qmp
    backend()
    qmp.command("chardev-add", id="c0", backend={"type": "socket", "data": {"addr": {"type": "unix", "data": {"path": "net.sock"}},
                                                                          "server": False, "reconnect-ms": 100}})
    qmp.command("netdev_add", type="vhost-user", id="n0", chardev="c0", queues=1)
    with pytest.raises(RuntimeError, match="chardev 'c0' is in use"):
        qmp.command("netdev_add", type="vhost-user", id="n1", chardev="c0")
    qmp.command("device_add", driver="virtio-net-pci", id="card", netdev="n0", bus="rp")
    assert "card: index=0,type=nic,model=virtio-net-pci," in qmp.command("human-monitor-command", **{"command-line": "info network"})
    assert qmp.command("query-rx-filter", name="card")[0]["name"] == "card"
    qmp.command("set_link", name="n0", up=False)
    qmp.command("set_link", name="n0", up=True)
    qmp.command("netdev_del", id="n0")
    qmp.command("chardev-remove", id="c0")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(os.path.join(machine.folder, "silent.sock"))
        silent.listen(1)
        qmp.command("chardev-add", id="c1", backend={"type": "socket", "data": {"addr": {"type": "unix", "data": {"path": "silent.sock"}}, "server": False}})
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="netdev 'n1': vhost-user: the other end does not answer"):
            qmp.command("netdev_add", type="vhost-user", id="n1", chardev="c1")
        assert time.monotonic() - began < 8 * PATIENCE
        qmp.command("chardev-remove", id="c1")
    assert qmp.command("query-status")["status"] == "prelaunch"


@pytest.mark.parametrize("arguments, texts", [
    (["-M", "virt", "-device", "virtio-net-pci,netdev=n0"], ["the other process must share the guest's memory", "memory-backend-memfd,id=mem0,size=1G,share=on"]),
    ([*SHARED, "-device", "e1000e,netdev=n0"], ["netdev 'n0' is vhost-user, which serves virtio cards only", "use virtio-net-pci"]),
    ([*SHARED, "-netdev", "vhost-user,id=n1,chardev=nope"], ["chardev 'nope' not found"]),
    ([*SHARED, "-chardev", "null,id=x", "-netdev", "vhost-user,id=n1,chardev=x"], ["chardev 'x' is no socket"]),
    ([*SHARED, "-netdev", "hubport,id=h,hubid=0,netdev=n0"], ["serves a virtio card, not a hub"]),
    ([*SHARED, "-object", "filter-dump,id=f,netdev=n0,file=f.pcap"], ["no frame of netdev 'n0' (vhost-user) passes here"]),
    ([*SHARED, "-netdev", "vhost-user,id=n1,chardev=c0,queue=2"], ["queue"]),
])
def test_mistakes(backend, tmp_path, arguments, texts):
    """One clear line each, and status 1."""
    backend()
    binary = os.environ["MYNAH"]
    done = subprocess.run([binary, "-display", "none", "-bios", "none", "-chardev", CHARDEV, "-netdev", "vhost-user,id=n0,chardev=c0", *arguments],
                          cwd=tmp_path, capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
    assert done.returncode == 1, done.stderr
    for text in texts:
        assert text in done.stderr

# tests/functional/test_network.py - Debian's Linux on every card and netdev: DHCP, ping, files both ways with their checksums.
import hashlib
import http.server
import os
import re
import shutil
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time

import pytest

from conftest import PATIENCE
from toy_tcp import Connection

CARDS = {"virtio-net-device": "virtio_net", "virtio-net-pci": "virtio_net", "e1000e": "e1000e"}
DHCP = ["printf '%s\\n' '#!/bin/sh' '[ $1 = bound ] && ip addr add $ip/24 dev eth0 && echo lease: $ip $router $dns && "
        "ip route add default via $router' >/tmp/dhcp; chmod +x /tmp/dhcp",
        "ip link set lo up; ip link set eth0 up; udhcpc -i eth0 -n -q -s /tmp/dhcp"]


class Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.data)))
        self.end_headers()
        self.wfile.write(self.server.data)

    def log_message(self, *unused):
        pass


class Sink(socketserver.BaseRequestHandler):
    """Keeps the checksum of what a client sends."""

    def handle(self):
        digest, size = hashlib.sha256(), 0
        while data := self.request.recv(65536):
            digest.update(data)
            size += len(data)
        self.server.got.append((size, digest.hexdigest()))


class Servers:
    def __init__(self, size, address="127.0.0.1"):
        self.files = http.server.ThreadingHTTPServer((address, 0), Files)
        self.files.data = os.urandom(size)
        self.sink = socketserver.ThreadingTCPServer((address, 0), Sink)
        self.sink.got = []
        for server in (self.files, self.sink):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url_port, self.sink_port = self.files.server_address[1], self.sink.server_address[1]
        self.sum = hashlib.sha256(self.files.data).hexdigest()

    def close(self):
        for server in (self.files, self.sink):
            server.shutdown()
            server.server_close()

    def commands(self, host, upload):
        """Download and upload, each with its checksum on the console."""
        return [f"wget -q -O - http://{host}:{self.url_port}/f | sha256sum",
                f"head -c {upload} /dev/urandom >/tmp/u; sha256sum /tmp/u; nc {host} {self.sink_port} </tmp/u; echo sent"]

    def wait_for_upload(self):
        end = time.monotonic() + 10 * PATIENCE
        while not self.sink.got and time.monotonic() < end:
            time.sleep(0.01)

    def check(self, machine, upload):
        assert machine.wait_for(r"([0-9a-f]{64})  -\r").group(1).decode() == self.sum
        digest = machine.wait_for(r"([0-9a-f]{64})  /tmp/u").group(1).decode()
        machine.wait_for("\nsent")
        self.wait_for_upload()
        assert self.sink.got == [(upload, digest)]


@pytest.fixture
def servers():
    made = Servers(3_000_017)
    yield made
    made.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def modules_for(card):
    return ["virtio_mmio", CARDS[card]]


def pcap_frames(path):
    """Ethernet frames of a pcap file, read by its specification."""
    data = open(path, "rb").read()
    magic, major, minor, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 1)
    at, frames = 24, []
    while at < len(data):
        _, micros, kept, size = struct.unpack_from("<IIII", data, at)
        assert micros < 1_000_000 and kept <= size
        frames.append(data[at + 16: at + 16 + kept])
        at += 16 + kept
    assert at == len(data)
    return frames


@pytest.mark.parametrize("card", CARDS)
def test_user(start, linux, firmware, servers, card, tmp_path):
    port, upload, dump = free_port(), 2_000_003, tmp_path / "frames.pcap"
    commands = [*DHCP, "ping -c 3 10.0.2.2", *servers.commands("10.0.2.2", upload), "echo waiting; sha256sum /tmp/u | nc -l -p 7; echo served"]
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, *linux(*commands, modules=modules_for(card)),
                    "-nic", f"user,id=n0,model={card},hostfwd=tcp:127.0.0.1:{port}-:7", "-object", f"filter-dump,id=d,netdev=n0,file={dump}")
    machine.wait_for("lease: 10.0.2.15 10.0.2.2 10.0.2.3")
    machine.wait_for("3 packets received, 0% packet loss")
    servers.check(machine, upload)
    machine.wait_for("\nwaiting")
    digest = servers.sink.got[0][1].encode()
    end = time.monotonic() + 20 * PATIENCE
    while True:  # libslirp accepts before the guest listens
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.settimeout(5 * PATIENCE)
            try:
                answer = s.recv(100)
            except ConnectionError:
                answer = b""
        if answer or time.monotonic() > end:
            break
        time.sleep(0.05)
    assert answer.startswith(digest)
    assert machine.wait_exit() == 0
    frames = pcap_frames(dump)
    assert any(f[12:14] == b"\x08\x06" for f in frames) and any(b"GET /f HTTP/1.1" in f for f in frames)
    if shutil.which("tcpdump"):
        text = subprocess.run(["tcpdump", "-nr", str(dump)], capture_output=True, text=True, check=True).stdout
        assert "ICMP echo reply" in text and "BOOTP/DHCP, Reply" in text


def test_user_restricted(start, linux, firmware, servers):
    """restrict=on: the host's servers are out of reach, guestfwd and DHCP are not."""
    commands = [*DHCP, f"nc -w 3 10.0.2.2 {servers.url_port} </dev/null && echo reached || echo refused",
                "echo ping | nc 10.0.2.100 80"]
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, *linux(*commands, modules=modules_for("virtio-net-device")),
                    "-netdev", "user,id=n0,restrict=on,hostname=guest7,guestfwd=tcp:10.0.2.100:80-cmd:sed -u s/ping/pong/;;q",
                    "-device", "virtio-net-device,netdev=n0")
    machine.wait_for("lease: 10.0.2.15")
    machine.wait_for("\nrefused")
    machine.wait_for("\npong")


def test_guestfwd_to_a_slow_stream(start, tmp_path):
    """More than a chardev's queue takes, acknowledged before the other end reads: all of it arrives."""
    listener, guest = socket.socket(socket.AF_UNIX), Connection(tmp_path)
    listener.bind(str(tmp_path / "target"))
    listener.listen(1)
    start("-M", "virt", "-accel", "qtest", "-display", "none", *guest.arguments(f",guestfwd=tcp:10.0.2.100:80-unix:{tmp_path}/target"),
          qmp=True, serial=False)
    target = listener.accept()[0]
    target.settimeout(20 * PATIENCE)
    guest.open([10, 0, 2, 100], 80)
    data = os.urandom(400_000)
    guest.write(data)
    got = b""
    while len(got) < len(data):
        got += target.recv(65536)
    assert got == data


def test_guestfwd_goes_with_its_netdev(start, tmp_path):
    """What listens for it listens no more, and the same netdev can be added again; a chardev of its own stays."""
    machine = start("-M", "virt", "-accel", "qtest", "-display", "none", "-chardev", "null,id=own", qmp=True, serial=False)
    netdev = {"type": "user", "id": "n", "guestfwd": [{"str": f"tcp:10.0.2.100:80-unix:{tmp_path}/target,server=on,wait=off"},
                                                      {"str": "tcp:10.0.2.100:81-chardev:own"}]}
    for _ in range(2):
        machine.qmp.command("netdev_add", **netdev)
        assert os.path.exists(tmp_path / "target")
        machine.qmp.command("netdev_del", id="n")
        assert not os.path.exists(tmp_path / "target")
        assert {row["label"] for row in machine.qmp.command("query-chardev")} == {"own", "compat_monitor0"}


def test_descriptors_of_our_own(start):
    """Clients name descriptors by number; those that Mynah has opened itself are not theirs."""
    machine = start("-M", "virt", "-display", "none", "-bios", "none", qmp=True, serial=False)
    fd = {"type": "fd", "data": {"str": "0"}}
    for number in range(3, 20):
        for what in ({"type": "tap", "fd": str(number)}, {"type": "socket", "fd": str(number)}, {"type": "dgram", "local": {"type": "fd", "str": str(number)}}):
            with pytest.raises(RuntimeError, match="is not the number of an inherited file descriptor"):
                machine.qmp.command("netdev_add", id="n", **what)
        fd["data"]["str"] = str(number)
        with pytest.raises(RuntimeError, match=f"fd={number} is no inherited socket"):
            machine.qmp.command("chardev-add", id="c", backend={"type": "socket", "data": {"addr": fd, "server": False}})
    machine.qmp.command("stop")
    machine.qmp.command("cont")
    assert machine.qmp.command("query-status")["running"]


def namespace_or_skip():
    probe = subprocess.run(["unshare", "-rn", "ip", "tuntap", "add", "tap0", "mode", "tap"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("no network namespace with a tap here")


TAP_SCRIPT = """#!/bin/sh
# A network of the test's own: a tap, and servers behind it; all is gone when the emulator ends.
exec unshare -rn sh -e -c '
ip link set lo up
ip tuntap add tap0 mode tap {multi}
ip addr add 192.168.77.1/24 dev tap0
ip link set tap0 up
{python} {server} >{server}.log 2>&1 "$@" &
exec {mynah} "$@"' sh "$@"
"""

TAP_SERVER = """
import hashlib, http.server, os, socketserver, threading, time
class Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(open({data!r}, "rb").read())
class Sink(socketserver.BaseRequestHandler):
    def handle(self):
        digest = hashlib.sha256()
        while data := self.request.recv(65536):
            digest.update(data)
        self.request.sendall(b"sum " + digest.hexdigest().encode() + b"\\n")
for server in (http.server.ThreadingHTTPServer(("192.168.77.1", 8000), Files), socketserver.ThreadingTCPServer(("192.168.77.1", 8001), Sink)):
    threading.Thread(target=server.serve_forever, daemon=True).start()
emulator = os.getppid()
while os.getppid() == emulator:
    time.sleep(0.2)
"""


@pytest.mark.parametrize("card,netdev,multi", [
    ("virtio-net-pci", "tap,ifname=tap0,script=no,downscript=no,vhost=off", ""),
    ("virtio-net-device", "tap,ifname=tap0,script=no,downscript=no,vnet_hdr=off", ""),
    ("virtio-net-pci,mq=on", "tap,ifname=tap0,script=no,downscript=no,queues=2", "multi_queue"),
    ("e1000e", "tap,ifname=tap0,script=no,downscript=no", ""),
])
def test_tap(start, linux, firmware, tmp_path, monkeypatch, card, netdev, multi):
    namespace_or_skip()
    real = os.environ.get("MYNAH") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "mynah-system-riscv64")
    data, server, wrapper = tmp_path / "data", tmp_path / "server.py", tmp_path / "mynah-system-riscv64"
    data.write_bytes(os.urandom(3_000_017))
    server.write_text(TAP_SERVER.format(data=str(data)))
    wrapper.write_text(TAP_SCRIPT.format(python=sys.executable, mynah=os.path.abspath(real), server=server, multi=multi))
    wrapper.chmod(0o755)
    monkeypatch.setenv("MYNAH", str(wrapper))
    commands = ["ip link set eth0 up; ip addr add 192.168.77.2/24 dev eth0; ping -c 3 192.168.77.1",
                "wget -q -O - http://192.168.77.1:8000/f | sha256sum",
                "head -c 2000003 /dev/urandom >/tmp/u; sha256sum /tmp/u; nc 192.168.77.1 8001 </tmp/u"]
    machine = start("-M", "virt", "-m", "512M", "-smp", "2", "-bios", firmware, *linux(*commands, modules=modules_for(card.split(",")[0])),
                    "-netdev", netdev + ",id=n0", "-device", card + ",netdev=n0")
    machine.wait_for("3 packets received, 0% packet loss")
    assert machine.wait_for(r"([0-9a-f]{64})  -\r").group(1).decode() == hashlib.sha256(data.read_bytes()).hexdigest()
    digest = machine.wait_for(r"([0-9a-f]{64})  /tmp/u").group(1).decode()
    machine.wait_for("sum " + digest)
    assert machine.wait_exit() == 0


def test_passt(start, linux, firmware, tmp_path):
    """Debian's passt over netdev stream: DHCP by it, and the emulator survives its end."""
    if not shutil.which("passt"):
        pytest.skip("passt is not installed")
    path = tmp_path / "passt.sock"
    user = ["--runas", "0"] if os.getuid() == 0 else []
    passt = subprocess.Popen(["passt", "--foreground", *user, "--socket", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 10 * PATIENCE
        while not path.exists() and time.monotonic() < end and passt.poll() is None:
            time.sleep(0.02)
        if not path.exists():
            pytest.skip("passt does not start here")
        commands = [*DHCP, "ip neigh; ping -c 1 -W 2 $(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'); ip neigh; echo END"]
        machine = start("-M", "virt", "-m", "512M", "-bios", firmware, *linux(*commands, "sleep 1000", modules=modules_for("virtio-net-pci")),
                        "-netdev", f"stream,id=n0,server=off,addr.type=unix,addr.path={path}", "-device", "virtio-net-pci,netdev=n0", qmp=True)
        machine.wait_for(r"lease: \d+\.\d+\.\d+\.\d+ \d+")
        machine.wait_for("REACHABLE")
        machine.wait_for("\nEND")
        passt.terminate()
        assert machine.qmp.event("NETDEV_STREAM_DISCONNECTED")["data"] == {"netdev-id": "n0"}
        assert machine.qmp.command("query-status")["running"]
    finally:
        passt.kill()
        passt.wait()
        passt.stderr.close()


def test_two_machines(start, linux, firmware, tmp_path):
    """Two guests on one wire: netdev stream as server and as client."""
    def guest(number, role, *commands):
        return start("-M", "virt", "-m", "256M", "-bios", firmware,
                     *linux(f"ip link set eth0 up; ip addr add 10.9.0.{number}/24 dev eth0", *commands, modules=modules_for("virtio-net-device")),
                     "-netdev", f"stream,id=n0,addr.type=unix,addr.path={tmp_path}/wire,{role}",
                     "-device", f"virtio-net-device,netdev=n0,mac=52:54:00:00:00:0{number}")

    server = guest(1, "server=on", "head -c 500000 /dev/urandom >/tmp/u; sha256sum /tmp/u; nc -l -p 7 </tmp/u; echo END")
    client = guest(2, "reconnect-ms=100", "ping -c 2 10.9.0.1; until nc 10.9.0.1 7 >/tmp/v && [ -s /tmp/v ]; do sleep 0.2; done; sha256sum /tmp/v")
    digest = server.wait_for(r"([0-9a-f]{64})  /tmp/u").group(1)
    assert client.wait_for(r"([0-9a-f]{64})  /tmp/v").group(1) == digest


def test_monitor(start, tmp_path):
    """netdev_add and -del, set_link, query-rx-filter, hostfwd_add and what they say when they cannot."""
    port = free_port()
    machine = start("-M", "virt", "-S", "-nic", "user,id=n0,model=virtio-net-device,mac=52:54:00:aa:bb:cc", qmp=True)
    qmp = machine.qmp

    def hmp(line):
        return qmp.command("human-monitor-command", **{"command-line": line})

    assert re.search(r"virtio-net-device.0: index=0,type=nic,model=virtio-net-device,macaddr=52:54:00:aa:bb:cc\r?\n \\ n0: index=0,type=user,net=10.0.2.0,restrict=off",
                     hmp("info network"))
    info = qmp.command("query-rx-filter", name="virtio-net-device.0")
    assert info[0]["main-mac"] == "52:54:00:aa:bb:cc" and info[0]["promiscuous"] and info[0]["vlan"] == "all"
    qmp.command("set_link", name="n0", up=False)
    qmp.command("set_link", name="virtio-net-device.0", up=True)
    hmp(f"hostfwd_add n0 tcp:127.0.0.1:{port}-:22")
    assert str(port) in hmp("info usernet")
    socket.create_connection(("127.0.0.1", port)).close()
    assert "removed" in hmp(f"hostfwd_remove n0 tcp:127.0.0.1:{port}")
    assert "not found" in hmp(f"hostfwd_remove n0 tcp:127.0.0.1:{port}")
    qmp.command("netdev_add", type="stream", id="s0", server=True, addr={"type": "unix", "path": str(tmp_path / "s")})
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(tmp_path / "s"))
        event = qmp.event("NETDEV_STREAM_CONNECTED")
        assert event["data"] == {"netdev-id": "s0", "addr": {"type": "unix", "path": str(tmp_path / "s")}}
        peer.sendall(b"\xff\xff\xff\xff")
        qmp.event("NETDEV_STREAM_DISCONNECTED")
    qmp.command("netdev_del", id="s0")
    qmp.command("netdev_del", id="n0")
    qmp.command("announce-self", initial=50, max=550, rounds=2, step=50)
    for name, arguments, message in [
        ("netdev_del", {"id": "n0"}, "Device 'n0' not found"),
        ("netdev_add", {"type": "vde", "id": "x"}, "does not accept value 'vde'"),
        ("netdev_add", {"type": "user", "id": "x", "nothing": 1}, "'nothing' is unexpected"),
        ("netdev_add", {"type": "stream", "id": "x", "addr": {"type": "fd", "str": "none"}}, "File descriptor named 'none'"),
        ("set_link", {"name": "nix", "up": True}, "Device 'nix' not found"),
        ("query-rx-filter", {"name": "nix"}, "invalid net client name"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            qmp.command(name, **arguments)


def test_names_of_cards_and_netdevs(start):
    """A netdev may be called as a card is, whichever comes first."""
    machine = start("-M", "virt", "-netdev", "user,id=same", "-device", "virtio-net-pci,id=same,netdev=same",
                    "-device", "virtio-net-pci,id=card", qmp=True)
    qmp = machine.qmp
    qmp.command("netdev_add", type="user", id="card")
    with pytest.raises(RuntimeError, match="netdev id 'card' is in use"):
        qmp.command("netdev_add", type="user", id="card")
    assert [card["name"] for card in qmp.command("query-rx-filter")] == ["same", "card"]
    qmp.command("netdev_del", id="card")
    assert qmp.command("query-rx-filter", name="card")
    with pytest.raises(RuntimeError, match="Device 'card' not found"):
        qmp.command("netdev_del", id="card")
    qmp.command("set_link", name="card", up=False)


@pytest.mark.parametrize("options,message", [
    (["-device", "virtio-net-device,netdev=nix"], "there is no netdev 'nix'"),
    (["-netdev", "user,id=a", "-device", "virtio-net-device,netdev=a", "-device", "virtio-net-device,netdev=a"], "netdev 'a' is in use"),
    (["-device", "virtio-net-device,mac=1:2:3"], "'1:2:3' is not a MAC address"),
    (["-device", "virtio-net-device,rss=on"], "rss=on is not in Mynah yet"),
    (["-device", "virtio-net-device,rx_queue_size=300"], "powers of two"),
    (["-nic", "user,model=virtio-net-dvice"], "did you mean 'virtio-net-device'"),
    (["-netdev", "user,id=a,hostfwd=tcp::1-"], "it is not complete"),
])
def test_refused(start, options, message):
    machine = start("-M", "virt", *options)
    assert machine.wait_exit() == 1
    assert message in machine.console.decode()

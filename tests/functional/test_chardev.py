# tests/functional/test_chardev.py - character back ends from outside: udp, log files, muxes, descriptors, changes while in use.
import array
import json
import os
import socket
import subprocess
import time

import pytest

from conftest import PATIENCE, Qmp
from qtest import Qtest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))
UART = 0x10000000


class Line:
    """A machine whose guest is the test: bytes go out of and come into the first serial port."""

    def __init__(self, start, tmp_path, *arguments):
        path = str(tmp_path / "qt")
        self.machine = start("-M", "virt", "-accel", "qtest", "-display", "none", "-qtest", f"unix:{path},server=on,wait=off", *arguments,
                             qmp=True, serial=False)
        self.qmp = self.machine.qmp
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        self.qtest = Qtest(connection)

    def send(self, data):
        for byte in data:
            self.qtest.writeb(UART, byte)

    def receive(self, count):
        data, end = b"", time.monotonic() + 20 * PATIENCE
        while len(data) < count:
            assert time.monotonic() < end, data
            if self.qtest.readb(UART + 5) & 1:
                data += bytes([self.qtest.readb(UART)])
        return data


def udp_socket():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    s.settimeout(20 * PATIENCE)
    return s, s.getsockname()[1]


def free_port():
    s, port = udp_socket()
    s.close()
    return port


def udp_backend(port, own):
    address = lambda p: {"type": "inet", "data": {"host": "127.0.0.1", "port": str(p)}}
    return {"type": "udp", "data": {"remote": address(port), "local": address(own)}}


@pytest.mark.parametrize("form", ["chardev", "legacy", "qmp"])
def test_udp(start, tmp_path, form):
    """Both ways; a datagram that is larger than the FIFO arrives whole and the next one after it."""
    peer, port = udp_socket()
    own = free_port()
    arguments = {"chardev": ["-chardev", f"udp,id=u,host=127.0.0.1,port={port},localaddr=127.0.0.1,localport={own}", "-serial", "chardev:u"],
                 "legacy": ["-serial", f"udp:127.0.0.1:{port}@127.0.0.1:{own}"],
                 "qmp": ["-chardev", "null,id=u", "-serial", "chardev:u"]}[form]
    line = Line(start, tmp_path, *arguments)
    if form == "qmp":
        line.qmp.command("chardev-change", id="u", backend=udp_backend(port, own))
    line.send(b"x")
    assert peer.recv(100) == b"x"
    text = bytes(range(33, 127)) * 20
    peer.sendto(text, ("127.0.0.1", own))
    peer.sendto(b"", ("127.0.0.1", own))
    peer.sendto(b"next", ("127.0.0.1", own))
    assert line.receive(len(text) + 4) == text + b"next"
    peer.close()
    line.send(b"nobody listens")
    assert line.qmp.command("query-status")


def test_log_files(start, tmp_path):
    log = tmp_path / "log"
    log.write_text("old ")
    line = Line(start, tmp_path, "-chardev", "null,id=c,logfile=log,logappend=on", "-serial", "chardev:c")
    line.send(b"one ")
    assert log.read_text() == "old one "
    line.qmp.command("chardev-change", id="c", backend={"type": "ringbuf", "data": {"logfile": str(log), "logappend": False}})
    line.send(b"two")
    assert log.read_text() == "two"
    assert line.qmp.command("ringbuf-read", device="c", size=100) == "two"


def test_change_and_break(start, tmp_path):
    """The serial port's back end becomes another one while it is in use; nothing changes when the new one cannot be made."""
    line = Line(start, tmp_path, "-chardev", "ringbuf,id=c", "-serial", "chardev:c", "-chardev", "null,id=m,mux=on")
    line.send(b"first")
    with pytest.raises(RuntimeError, match="chardev 'c': .*No such file"):
        line.qmp.command("chardev-change", id="c", backend={"type": "file", "data": {"out": "/nonexistent/x"}})
    assert line.qmp.command("ringbuf-read", device="c", size=100) == "first"
    line.qmp.command("chardev-change", id="c", backend={"type": "file", "data": {"out": "out"}})
    line.send(b"second")
    assert (tmp_path / "out").read_bytes() == b"second"
    assert [c["frontend-open"] for c in line.qmp.command("query-chardev") if c["label"] == "c"] == [True]
    line.qmp.command("chardev-send-break", id="c")
    assert line.qtest.readb(UART + 5) & 0x10
    with pytest.raises(RuntimeError, match="a mux cannot be changed"):
        line.qmp.command("chardev-change", id="m", backend={"type": "null", "data": {}})
    with pytest.raises(RuntimeError, match="carries this monitor"):
        line.qmp.command("chardev-change", id="compat_monitor0", backend={"type": "null", "data": {}})
    with pytest.raises(RuntimeError, match="chardev 'c' is busy"):
        line.qmp.command("chardev-remove", id="c")


def test_input_path(start, tmp_path):
    (tmp_path / "in").write_bytes(b"typed")
    line = Line(start, tmp_path, "-chardev", "file,id=f,path=out,input-path=in", "-serial", "chardev:f")
    assert line.receive(5) == b"typed"
    line.send(b"said")
    assert (tmp_path / "out").read_bytes() == b"said"


def test_mux_over_tcp(start, tmp_path):
    """A guest and a monitor share a socket; Ctrl-T as escape character."""
    line = Line(start, tmp_path, "-echr", "0x14", "-chardev", "socket,id=s,host=127.0.0.1,port=0,server=on,wait=off", "-chardev",
                "mux,id=m,chardev=s", "-serial", "chardev:m", "-mon", "chardev=m")
    name = next(c["filename"] for c in line.qmp.command("query-chardev") if c["label"] == "s")
    client = socket.create_connection(("127.0.0.1", int(name.split(":")[-1].split(",")[0])), 20 * PATIENCE)
    client.sendall(b"ab\x01")
    assert line.receive(3) == b"ab\x01"
    client.sendall(b"\x14cinfo name\n")
    seen = b""
    while b"info name" not in seen:
        seen += client.recv(1000)
    line.qmp.command("chardev-add", id="n", backend={"type": "null", "data": {}})
    line.qmp.command("chardev-add", id="n2", backend={"type": "mux", "data": {"chardev": "n", "logfile": str(tmp_path / "log")}})
    assert os.path.exists(tmp_path / "log")
    with pytest.raises(RuntimeError, match="chardev 'n' is in use"):
        line.qmp.command("chardev-add", id="n3", backend={"type": "mux", "data": {"chardev": "n"}})
    line.qmp.command("chardev-remove", id="n2")
    line.qmp.command("chardev-remove", id="n")


def send_with_fd(qmp, fd, name, **arguments):
    request = json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n"
    qmp.socket.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    answer = qmp.read(time.monotonic() + 20 * PATIENCE)
    return answer.get("return", answer.get("error"))


def read_until(connection, text):
    connection.settimeout(20 * PATIENCE)
    data = b""
    while text not in data:
        some = connection.recv(65536)
        assert some, data
        data += some
    return data


def test_each_client_of_a_shared_monitor_is_greeted(start, tmp_path):
    """For programs at once, for people as far as the focus is on the monitor; a line that was begun goes with its client."""
    line = Line(start, tmp_path, "-chardev", f"socket,id=p,path={tmp_path}/p,server=on,wait=off,mux=on", "-mon", "chardev=p,mode=control",
                "-serial", f"mon:unix:{tmp_path}/h,server=on,wait=off")
    for _ in range(2):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "p"))
            read_until(client, b'"capabilities": [')
            client.sendall(b'{"execute":"qmp_capabilities"}\n')
            read_until(client, b'"return"')
        while "disconnected" not in [c["filename"] for c in line.qmp.command("query-chardev") if c["label"] == "p-base"][0]:
            time.sleep(0.01)
    for choose in (b"\x01c", b""):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "h"))
            client.sendall(choose)
            read_until(client, b"(qemu) ")
            client.sendall(b"info status\n")
            read_until(client, b"VM status")
            client.sendall(b"half ")
            read_until(client, b"half")
        while "disconnected" not in [c["filename"] for c in line.qmp.command("query-chardev") if c["label"] == "serial0-base"][0]:
            time.sleep(0.01)


def test_descriptor_sets(start, tmp_path):
    line = Line(start, tmp_path, "-chardev", "null,id=c", "-serial", "chardev:c")
    with open(tmp_path / "passed", "wb") as passed, open(tmp_path / "passed", "rb") as reader:
        info = send_with_fd(line.qmp, passed.fileno(), "add-fd", opaque="wr:passed")
        assert info["fdset-id"] == 0
        assert send_with_fd(line.qmp, reader.fileno(), "add-fd", **{"fdset-id": 7})["fdset-id"] == 7
    sets = line.qmp.command("query-fdsets")
    assert [(s["fdset-id"], [f.get("opaque") for f in s["fds"]]) for s in sets] == [(0, ["wr:passed"]), (7, [None])]
    with pytest.raises(RuntimeError, match="Permission denied"):
        line.qmp.command("chardev-change", id="c", backend={"type": "file", "data": {"out": "/dev/fdset/7"}})
    with pytest.raises(RuntimeError, match="chardev 'c': .*No such file"):
        line.qmp.command("chardev-change", id="c", backend={"type": "file", "data": {"out": "/dev/fdset/8"}})
    line.qmp.command("chardev-change", id="c", backend={"type": "file", "data": {"out": "/dev/fdset/0"}})
    line.qmp.command("remove-fd", **{"fdset-id": 0, "fd": info["fd"]})
    line.send(b"still open")
    assert (tmp_path / "passed").read_bytes() == b"still open"
    with pytest.raises(RuntimeError, match="fdset-id:0, fd:"):
        line.qmp.command("remove-fd", **{"fdset-id": 0, "fd": info["fd"]})
    with pytest.raises(RuntimeError, match="No file descriptor supplied"):
        line.qmp.command("add-fd")
    line.qmp.command("remove-fd", **{"fdset-id": 7})
    assert line.qmp.command("query-fdsets") == []


def test_passed_socket(start, tmp_path):
    """A connected socket that came by getfd is a chardev."""
    line = Line(start, tmp_path, "-chardev", "null,id=c", "-serial", "chardev:c")
    ours, theirs = socket.socketpair()
    assert send_with_fd(line.qmp, theirs.fileno(), "getfd", fdname="line") == {}
    theirs.close()
    line.qmp.command("chardev-change", id="c", backend={"type": "socket", "data": {"server": False, "addr": {"type": "fd", "data": {"str": "line"}}}})
    line.send(b"hello")
    ours.settimeout(20 * PATIENCE)
    assert ours.recv(100) == b"hello"
    ours.sendall(b"back")
    assert line.receive(4) == b"back"


def test_inherited_descriptor(tmp_path):
    """-add-fd: a log file that only the parent could open."""
    with open(tmp_path / "inherited", "wb") as out:
        fd = out.fileno()
        done = subprocess.run([BINARY, "-M", "none", "-display", "none", "-add-fd", f"fd={fd},set=3", "-chardev",
                               "stdio,id=m,logfile=/dev/fdset/3", "-mon", "chardev=m"], input=b"quit\n", pass_fds=[fd], capture_output=True,
                              timeout=60 * PATIENCE, check=False)
    assert done.returncode == 0 and b"(qemu) " in (tmp_path / "inherited").read_bytes()


def test_descriptor_in_two_sets(tmp_path):
    """-add-fd of one descriptor twice: the one set does not close what the other one has."""
    (tmp_path / "other").write_bytes(b"precious")
    commands = [{"execute": "qmp_capabilities"}, {"execute": "remove-fd", "arguments": {"fdset-id": 1}},
                {"execute": "chardev-add", "arguments": {"id": "o", "backend": {"type": "file", "data": {"out": str(tmp_path / "other"), "append": True}}}},
                {"execute": "chardev-add", "arguments": {"id": "f", "backend": {"type": "file", "data": {"out": "/dev/fdset/2"}}}}, {"execute": "quit"}]
    with open(tmp_path / "inherited", "wb") as out:
        fd = out.fileno()
        done = subprocess.run([BINARY, "-M", "none", "-display", "none", "-add-fd", f"fd={fd},set=1", "-add-fd", f"fd={fd},set=2", "-qmp", "stdio"],
                              input=b"".join(json.dumps(c).encode() for c in commands), pass_fds=[fd], capture_output=True,
                              timeout=60 * PATIENCE, check=False)
    assert done.returncode == 0 and b"error" not in done.stdout, done
    assert (tmp_path / "other").read_bytes() == b"precious"


@pytest.mark.parametrize("arguments, text", [
    (["-chardev", "udp,id=u"], "option 'port' is missing"),
    (["-chardev", "udp,id=u,port=1,lokalport=2"], "did you mean 'localport'?"),
    (["-chardev", "udp,id=u,host=256.1.1.1,port=1"], "cannot find address of host '256.1.1.1'"),
    (["-chardev", "mux,id=m"], "option 'chardev' is missing"),
    (["-chardev", "mux,id=m,chardev=x"], "chardev 'x' not found"),
    (["-chardev", "file,id=f,path=/dev/fdset/1"], "cannot write '/dev/fdset/1': No such file"),
    (["-add-fd", "fd=77,set=1"], "no such descriptor was inherited"),
    (["-add-fd", "fd=3,set=1"], "no such descriptor was inherited"),  # Mynah has one of that number itself
    (["-add-fd", "fd=1,set=1"], "standard input and output are not for that"),
    (["-add-fd", "set=1"], "both fd=N and set=N are needed"),
    (["-echr", "200"], "it is a number from 0 to 26"),
])
def test_mistakes(arguments, text):
    done = subprocess.run([BINARY, "-M", "none", "-display", "none", *arguments], capture_output=True, timeout=60 * PATIENCE, check=False)
    assert done.returncode == 1 and text in done.stderr.decode()


def test_a_mistake_behind_a_terminal():
    """The line about a new terminal is not for machines that never come up."""
    done = subprocess.run([BINARY, "-M", "virt", "-display", "none", "-serial", "pty", "-device", "virtio-blk-pci"], capture_output=True, timeout=60 * PATIENCE, check=False)
    assert done.returncode == 1 and done.stdout == b"" and done.stderr.count(b"\n") == 1, done


def test_descriptor_of_a_device(start):
    """vhostfd= of device_add is a name that getfd took; the device owns it from then on."""
    qmp = start("-M", "virt", "-device", "pcie-root-port,id=port", "-S", qmp=True).qmp

    def refused(why):
        with pytest.raises(RuntimeError, match=why):
            qmp.command("device_add", driver="vhost-vsock-pci", bus="port", **{"guest-cid": 3, "vhostfd": "line"})

    refused("File descriptor named 'line' has not been found")
    with open("/dev/null", "rb") as null:
        assert send_with_fd(qmp, null.fileno(), "getfd", fdname="line") == {}
    refused("the kernel does not serve this process: Inappropriate ioctl for device")
    refused("File descriptor named 'line' has not been found")


@pytest.mark.parametrize("command, arguments", [
    ("netdev_add", {"type": "socket", "id": "n", "fd": "f"}),
    ("netdev_add", {"type": "socket", "id": "new", "fd": "f", "udp": "127.0.0.1:1"}),
    ("netdev_add", {"type": "tap", "id": "new", "fd": "f"}),
    ("netdev_add", {"type": "tap", "id": "new", "fds": "f:nobody"}),
    ("netdev_add", {"type": "stream", "id": "n", "addr": {"type": "fd", "str": "f"}}),
    ("netdev_add", {"type": "stream", "id": "new", "addr": {"type": "fd", "str": "f"}, "server": True}),
    ("netdev_add", {"type": "dgram", "id": "new", "local": {"type": "fd", "str": "f"}}),
    ("device_add", {"driver": "nobody", "vhostfd": "f"}),
    ("device_add", {"driver": "vhost-vsock-pci", "vhostfd": "f", "guest-cid": 5}),
    ("chardev-add", {"id": "n", "backend": {"type": "socket", "data": {"addr": {"type": "fd", "data": {"str": "f"}}, "server": True}}}),
    ("add_client", {"protocol": "nobody", "fdname": "f"}),
], ids=lambda value: value if isinstance(value, str) else json.dumps(value))
def test_descriptor_of_a_refused_command_is_closed(start, command, arguments):
    machine = start("-M", "virt", "-bios", "none", "-accel", "qtest", "-netdev", "hubport,id=n,hubid=0", qmp=True)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert send_with_fd(machine.qmp, theirs.fileno(), "getfd", fdname="f") == {}
        with pytest.raises(RuntimeError):
            machine.qmp.command(command, **arguments)
        theirs.close()
        ours.settimeout(20 * PATIENCE)
        assert ours.recv(1) == b""  # nobody has the other end
        assert machine.qmp.command("query-status")


def test_a_monitor_does_not_delete_itself(start, tmp_path):
    machine = start("-M", "virt", "-bios", "none", "-accel", "qtest", "-chardev", "socket,id=c,path=own,server=on,wait=off",
                    "-object", "monitor-qmp,id=m,chardev=c", qmp=True)
    other = Qmp(str(tmp_path / "own"), 20 * PATIENCE)
    with pytest.raises(RuntimeError, match="object 'm' is in use"):
        other.command("object-del", id="m")
    assert "in use" in other.command("human-monitor-command", **{"command-line": "object_del m"})
    assert other.command("query-status")
    machine.qmp.command("object-del", id="m")
    machine.qmp.command("chardev-remove", id="c")


def test_debugger_of_a_machine_that_has_ended(start, tmp_path):
    """It neither runs nor steps, and is left as it is."""
    line = Line(start, tmp_path, "-action", "shutdown=pause", "-gdb", f"unix:{tmp_path}/gdb,server=on,wait=off")
    line.qtest.writel(0x100000, 0x5555)
    line.qmp.event("STOP")
    with socket.socket(socket.AF_UNIX) as gdb:
        gdb.connect(str(tmp_path / "gdb"))
        for packet, answer in [(b"$c#63", b"$E16#ac"), (b"$s#73", b"$E16#ac"), (b"$D#44", b"$OK#9a")]:
            gdb.sendall(packet)
            read_until(gdb, answer)
            gdb.sendall(b"+")
    assert line.qmp.command("query-status") == {"running": False, "status": "shutdown"}

# tests/functional/test_monitor.py - QMP and the human monitor of the real binary, as libvirt and people use them.
import json
import os
import re
import signal
import subprocess
import time

import pytest
from conftest import PATIENCE, ROOT, Machine, Qmp

BINARY = os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))

# Devices whose properties libvirt 12.8 asks for; those that Mynah lacks are answered with DeviceNotFound.
DEVICES = """virtio-blk-pci virtio-net-pci virtio-scsi-pci virtio-net-ccw virtio-scsi-ccw vfio-pci scsi-hd ide-hd PIIX4_PM
usb-redir usb-storage kvm-pit VGA virtio-gpu-pci virtio-gpu-device ICH9-LPC virtio-balloon-pci virtio-balloon-ccw
virtio-balloon-device usb-host vhost-user-fs-device virtio-iommu-pci scsi-block scsi-generic nvdimm pcie-root-port
virtio-mem-pci""".split()


def run(*arguments):
    return subprocess.run([BINARY, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=20 * PATIENCE, check=False)


@pytest.fixture(scope="session")
def none_exists():
    if b"\nnone " not in run("-M", "help").stdout:
        pytest.skip("no -M none in this binary yet")


@pytest.fixture
def empty(tmp_path, none_exists):
    """An empty machine and its QMP connection."""
    with Machine(tmp_path, "-M", "none", "-nodefaults", qmp=True, serial=False) as machine:
        yield machine


def test_libvirt_probe(tmp_path, none_exists):
    """The command line and the messages of libvirt's capability probe, to the end by the pid file."""
    sock, pidfile = str(tmp_path / "qmp.monitor"), str(tmp_path / "qmp.pid")
    done = run("-S", "-no-user-config", "-nodefaults", "-nographic", "-machine", "none,accel=kvm:mshv:tcg",
               "-qmp", f"unix:{sock},server=on,wait=off", "-pidfile", pidfile, "-daemonize")
    assert done.returncode == 0, done.stderr
    with open(pidfile, encoding="ascii") as text:
        pid = int(text.read())
    try:
        qmp = Qmp(sock, 1)  # -daemonize returns when the socket listens
        probe(qmp)
    finally:
        os.kill(pid, signal.SIGTERM)
    assert qmp.event("SHUTDOWN")["data"] == {"guest": False, "reason": "host-signal"}
    end = time.monotonic() + 10
    while os.path.exists(pidfile):
        assert time.monotonic() < end, "the pid file stays"
        time.sleep(0.01)


def probe(qmp):
    assert "capabilities" in qmp.greeting["QMP"]
    assert qmp.command("query-version")["qemu"] == {"major": 11, "minor": 1, "micro": 0}
    assert qmp.command("query-target") == {"arch": "riscv64"}
    schema = {entry["name"]: entry for entry in qmp.command("query-qmp-schema")}
    assert schema["query-accelerators"]["meta-type"] == "command"
    assert qmp.command("query-accelerators")["enabled"] == "tcg"
    types = {entry["name"] for entry in qmp.command("qom-list-types")}
    assert {"virt-machine", "none-machine", "max-riscv-cpu", "monitor-qmp"} <= types
    for device in DEVICES:
        try:
            qmp.command("device-list-properties", typename=device)
            assert device in types
        except RuntimeError as error:
            assert str(error).startswith("DeviceNotFound"), device
    machines = {entry["name"]: entry for entry in qmp.command("query-machines")}
    assert machines["virt"]["default-ram-id"] == "riscv_virt_board.ram"
    assert machines["virt"]["default-cpu-type"] == "rv64-riscv-cpu"
    for name in "none-machine", "virt-machine":
        assert any(p["name"] == "memory-backend" for p in qmp.command("qom-list-properties", typename=name))
    assert {"rv64", "max"} <= {entry["name"] for entry in qmp.command("query-cpu-definitions")}
    options = {entry["option"] for entry in qmp.command("query-command-line-options")}
    assert {"machine", "smp-opts", "memory", "chardev", "mon", "device", "object"} <= options
    with pytest.raises(RuntimeError, match="GenericError: The requested expansion type is not supported"):
        qmp.command("query-cpu-model-expansion", type="static", model={"name": "max"})
    props = qmp.command("query-cpu-model-expansion", type="full", model={"name": "max"})["model"]["props"]
    assert props["zba"] is True and props["v"] is True and props["h"] is False


def test_pid_file_of_another(start, tmp_path):
    """Who finds that a pid file is another process's, or none of the kind, leaves it there."""
    taken, protected = tmp_path / "taken", tmp_path / "protected"
    protected.write_text("not for you")
    protected.chmod(0o400)
    machine = start("-M", "none", "-pidfile", taken, qmp=True)
    done = run("-M", "none", "-display", "none", "-pidfile", str(taken))
    assert done.returncode == 1 and b"is in use by another process" in done.stderr
    assert int(taken.read_text()) == machine.process.pid
    if os.geteuid():
        assert run("-M", "none", "-display", "none", "-pidfile", str(protected)).returncode == 1
    assert protected.read_text() == "not for you"


@pytest.mark.parametrize("backend", ["memory-backend-ram,id=m,size=64M", "memory-backend-memfd,id=m,size=64M",
                                     "memory-backend-file,id=m,size=64M,mem-path=ram,share=on",
                                     '{"qom-type":"memory-backend-ram","id":"m","size":67108864}'])
def test_memory_backend(start, tmp_path, backend):
    """-M memory-backend= takes an object's memory and size; a shared file shows what is in it."""
    machine = start("-M", "virt,memory-backend=m", "-object", backend, "-bios", "none", "-S", qmp=True)
    assert machine.qmp.command("query-memory-size-summary")["base-memory"] == 64 << 20
    tree = machine.qmp.command("human-monitor-command", **{"command-line": "info mtree"})
    assert re.search(r"0000000080000000-0000000083ffffff .*ram\): m\n", tree)
    if "file" in backend:
        with open(tmp_path / "ram", "r+b") as ram:
            ram.seek(0x100)
            ram.write(b"\x12\x34\x56\x78")
        answer = machine.qmp.command("human-monitor-command", **{"command-line": "xp /4xb 0x80000100"})
        assert "0x12 0x34 0x56 0x78" in answer


def test_threads_are_known_at_once(start):
    """libvirt asks for all of them as soon as there is somebody to answer, and gives up when one is missing."""
    machine = start("-M", "virt", "-smp", "8", "-m", "64M", "-bios", "none", "-S", qmp=True)
    threads = [cpu["thread-id"] for cpu in machine.qmp.command("query-cpus-fast")]
    assert len(set(threads)) == 8 and all(os.path.exists(f"/proc/{machine.process.pid}/task/{thread}") for thread in threads), threads


def test_libvirt_start(start, tmp_path):
    """The command line by which libvirt 9.0 starts a guest without disks, and what it then asks (observed)."""
    (tmp_path / "key").write_bytes(b"k" * 32)
    machine = start("-name", "guest=t1,debug-threads=on", "-S", "-object", "secret,id=masterKey0,format=raw,file=key",
                    "-machine", "virt,usb=off,dump-guest-core=off,memory-backend=riscv_virt_board.ram", "-accel", "tcg", "-m", "512",
                    "-object", "memory-backend-ram,id=riscv_virt_board.ram,size=536870912", "-overcommit", "mem-lock=off",
                    "-smp", "2,sockets=2,cores=1,threads=1", "-uuid", "99b6a0ce-78e2-41a7-a85e-803badef4abe", "-display", "none",
                    "-no-user-config", "-nodefaults", "-chardev", "socket,id=charmonitor,path=qmp,server=on,wait=off",
                    "-mon", "chardev=charmonitor,id=monitor,mode=control", "-rtc", "base=utc", "-no-shutdown", "-boot", "strict=on",
                    "-bios", "none", "-chardev", "pty,id=charserial0", "-serial", "chardev:charserial0",
                    "-audiodev", '{"id":"audio1","driver":"none"}', "-msg", "timestamp=on", serial=False)
    qmp = Qmp(machine.qmp_path, 10)
    assert qmp.command("query-migrate-capabilities")
    qmp.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
    serial = {c["label"]: c["filename"] for c in qmp.command("query-chardev")}["charserial0"]
    assert re.fullmatch(r"pty:/dev/pts/\d+", serial)
    assert len(qmp.command("query-cpus-fast")) == 2
    assert qmp.command("query-named-block-nodes", flat=True) == [] and qmp.command("query-block") == []
    assert qmp.command("query-iothreads") == []
    qmp.command("set-action", panic="pause")
    qmp.command("qom-list", path="/machine/peripheral")
    qmp.command("qom-list-get", paths=["/machine/unattached/device[0]"])
    qmp.command("cont")
    qmp.event("RESUME")
    qmp.command("quit")
    assert machine.wait_exit() == 0


def test_every_command_answers(empty):
    """Commands without arguments: an answer or an error of QMP's classes, never a broken connection."""
    for command in empty.qmp.command("query-commands"):
        if command["name"] in ("quit", "qmp_capabilities"):
            continue
        try:
            empty.qmp.command(command["name"])
        except RuntimeError as error:
            assert re.match("GenericError|DeviceNotFound|DeviceNotActive|CommandNotFound", str(error))
    assert empty.qmp.command("query-status")["status"] in ("running", "paused", "prelaunch")


def test_stop_cont_quit(empty):
    assert empty.qmp.command("query-status") == {"running": True, "status": "running"}
    empty.qmp.command("stop")
    empty.qmp.event("STOP")
    assert empty.qmp.command("query-status") == {"running": False, "status": "paused"}
    empty.qmp.command("cont")
    empty.qmp.event("RESUME")
    empty.qmp.command("system_reset")
    assert empty.qmp.event("RESET")["data"] == {"guest": False, "reason": "host-qmp-system-reset"}
    empty.qmp.command("quit")
    assert empty.qmp.event("SHUTDOWN")["data"] == {"guest": False, "reason": "host-qmp-quit"}
    assert empty.wait_exit() == 0


def test_quit_answers_slow_readers():
    """More than a pipe and the queue of a chardev hold is on its way at the end."""
    with subprocess.Popen([BINARY, "-M", "none", "-nodefaults", "-display", "none", "-qmp", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        names = ["qmp_capabilities"] + ["query-qmp-schema"] * 4 + ["quit"]
        process.stdin.write(b"".join(json.dumps({"execute": name, "id": i}).encode() for i, name in enumerate(names)))
        process.stdin.flush()
        said = b""
        while part := os.read(process.stdout.fileno(), 20000):
            said += part
            time.sleep(0.02)
        assert process.wait(timeout=10 * PATIENCE) == 0
    assert len(said) > 4 << 16
    answers = [json.loads(line) for line in said.splitlines()]
    assert [answer["id"] for answer in answers if "return" in answer] == list(range(len(names)))
    assert answers[-1]["event"] == "SHUTDOWN"


def test_human_monitor(tmp_path, none_exists):
    with Machine(tmp_path, "-M", "none", "-nodefaults", "-display", "none", "-monitor", "stdio", serial=False) as machine:
        machine.wait_for(r"\(qemu\) ")
        machine.type("info status\r")
        machine.wait_for("VM status: running")
        machine.type("info versoin\r")
        machine.wait_for("did you mean 'version'")
        machine.type("qu\t\r")
        assert machine.wait_exit() == 0


@pytest.mark.parametrize("smp, count", [
    ("2", 2), ("2,maxcpus=4", 2), ("cores=2", 2), ("maxcpus=3", 3), ("4,sockets=2", 4), ("2,sockets=2,cores=1,threads=1", 2),
    ("cpus=1,maxcpus=4,cores=2,sockets=2", 1), ("2,sockets=2,dies=1,clusters=1,cores=1,threads=1", 2), ("8,sockets=2,cores=2", 8),
    ("4,clusters=2", 4), ("4,threads=2", 4), ("sockets=2,cores=3", 6), ("2,drawers=1,books=1,modules=1", 2),
])
def test_processors(start, smp, count):
    machine = start("-M", "virt", "-smp", smp, "-bios", "none", "-S", qmp=True)
    assert len(machine.qmp.command("query-cpus-fast")) == count


@pytest.mark.parametrize("arguments, text", [
    (["-krenel", "x"], "-krenel: no such option\ndid you mean -kernel?"),
    (["-M", "virt", "-bios", "none", "-gdb", "tcp:127.0.0.1:0", "-s"], "-s: there is a GDB server already (one of -s and -gdb is enough)"),
    (["-vnc", ":1"], "-vnc: QEMU has -vnc; Mynah does not yet"),
    (["-smp", "cpu=2"], "-smp cpu=2: no such parameter: 'cpu'\ndid you mean 'cpus'?"),
    (["-M", "virt", "disk.img"], "-hda disk.img: Could not open 'disk.img'"),
    (["-M", "virt", "-watchdog-action", "paus"], "-watchdog-action paus: no such action\ndid you mean 'pause'? it is one of: reset, "),
    (["-M", "vrit"], "did you mean 'virt'?"),
    (["-M", "virt,acip=off"], "has no property 'acip'\ndid you mean 'acpi'?"),
    (["-M", "virt", "-cpu", "rv63"], "unknown CPU model 'rv63'\ndid you mean 'rv64'?"),
    (["-M", "virt", "-cpu", "rv64,zbz=on"], "has no property 'zbz'\ndid you mean 'zb"),
    (["-M", "virt", "-cpu", "rv64,zba=maybe"], "takes on or off, not 'maybe'"),
    (["-M", "virt", "-smp", "65"], "virt supports at most 64 CPUs, not 65"),
    (["-M", "virt", "-smp", "4,dies=2"], "-smp: dies=2 is not supported by machine type 'virt'\nit has sockets, clusters, cores and threads"),
    (["-M", "virt", "-smp", "4,books=2"], "-smp: books=2 is not supported by machine type 'virt'"),
    (["-M", "virt", "-smp", "4,drawers=2"], "-smp: drawers=2 is not supported by machine type 'virt'"),
    (["-M", "virt", "-smp", "4,modules=2"], "-smp: modules=2 is not supported by machine type 'virt'"),
    (["-M", "virt", "-smp", "cpus=2,cores=3"],
     "-smp: product of the hierarchy must match maxcpus: sockets (1) * clusters (1) * cores (3) * threads (1) != maxcpus (2)"),
    (["-M", "virt", "-smp", "2,sockets=3"], "product of the hierarchy must match maxcpus: sockets (3) * clusters (1) * cores (1) * threads (1) != maxcpus (2)"),
    (["-M", "virt", "-smp", "2,sockets=0"], "-smp: sockets must be greater than zero"),
    (["-M", "virt", "-smp", "2,dies=0"], "-smp: dies must be greater than zero"),
    (["-M", "virt", "-smp", "0"], "-smp: cpus must be greater than zero"),
    (["-M", "virt", "-smp", "2,maxcpus=0"], "-smp: maxcpus must be greater than zero"),
    (["-M", "virt", "-smp", "sockets=65536,cores=65536,clusters=65536,threads=65536"], "-smp: sockets=65536 is more than any machine supports"),
    (["-M", "virt", "-accel", "tcg,thred=multi"], "did you mean 'thread'?"),
    (["-M", "virt", "-chardev", "sokcet,id=a"], "did you mean 'socket'?"),
    (["-accel", "tgc"], "unknown accelerator 'tgc'\ndid you mean 'tcg'? accelerators: "),
    (["-M", "virt,accel="], "-M accel=: no accelerator is named\naccelerators: "),
    (["-M", "virt", "-accel", "tcg,thread=multi,exact-exclusives=on"], "-accel tcg: thread=multi does not go with exact-exclusives=on"),
    (["-M", "virt", "-accel", "tcg,windows=on", "-icount", "1"], "-accel tcg: windows=on does not go with -icount"),
    (["-M", "virt", "-accel", "tcg,cache="], "-accel tcg: cache= names no folder"),
    (["-M", "virt", "-accel", "tcg,cache=x,one-insn-per-tb=on"], "-accel tcg: cache= does not go with one-insn-per-tb=on"),
    (["-M", "virt", "-accel", "tcg,cache=/nowhere/x", "-d", "nochain"],
     "warning: -accel tcg,cache=/nowhere/x is neither read nor written while -d nochain or -d ir is on\n"),
    (["-M", "virt", "-accel", "tcg,backend=interp", "-perfmap"], "-accel tcg: perfmap=on is for generated code, which backend=interp does not make"),
    (["-M", "virt", "-accel", "tcg,backend=interp,jitdump=on"], "-accel tcg: jitdump=on is for generated code, which backend=interp does not make"),
    (["-M", "virt", "-accel", "qtest", "-perfmap"], "-perfmap is for generated code, which accelerator 'qtest' does not make"),
    (["-M", "virt", "-accel", "qtest", "-jitdump"], "-jitdump is for generated code, which accelerator 'qtest' does not make"),
    (["-accel", "kvm"], "QEMU has the accelerator 'kvm'; Mynah does not yet\naccelerators: "),
    (["-M", "none", "-d", "ir:after=dead-cod"], "there is no such pass\ndid you mean 'dead-code'? the passes: "),
    (["-M", "none", "-boot", "order=cz"], "-boot order=cz: there is no drive 'z'"),
    (["-M", "none", "-boot", "once=cc"], "-boot once=cc: 'c' is there twice"),
    (["-M", "virt", "-append", "x"], "-append needs -kernel"),
    (["-M", "virt", "-kernel", "/dev/null"], ": kernel: '/dev/null' is empty\n"),
    (["-M", "virt", "-bios", "/dev/null"], ": firmware: '/dev/null' is empty\n"),
    (["-M", "virt", "-dtb", "/nowhere"], "device tree: cannot open '/nowhere'"),
    (["-M", "none", "-gdb", "tcpp::1"], ": -gdb: 'tcpp::1': there is no chardev kind 'tcpp'"),
    (["-M", "none", "-global", "virtio-rng-pcii.x=1", "-gdb", "tcpp::1"],
     "note: -global virtio-rng-pcii.x=1: there is no type 'virtio-rng-pcii'; did you mean 'virtio-rng-pci'?"),
    (["-M", "virt", "-vga", "std"], "-vga std: Mynah does not have this yet\nwhat there is: none"),
    (["-M", "virt", "-nic", "user,mac=01:00:00:00:00:01"], "NIC cannot have multicast MAC address '01:00:00:00:00:01'"),
    (["-M", "virt", "-net", "nic,macaddr=33:33:00:00:00:01"], "NIC cannot have multicast MAC address '33:33:00:00:00:01'"),
    (["-M", "virt", "-m", "lots"], "parameter 'size' expects a size, not 'lots'"),
    (["-M", "virt", "-object", "monitor-qmp,id=m,chardev=no"], "monitor-qmp: chardev 'no' not found"),
    (["-M", "virt", "-chardev", "null,id=c", "-object", "monitor-qmp,chardev=c"], "say how to call it: id=NAME is missing"),
    (["-M", "virt", "-chardev", "null,id=c", "-object", "monitor-qmp,id=m,chardev=c,prety=on"], "did you mean 'pretty'?"),
    (["-M", "virt", "-rtc", "base=2300-01-01"], "-rtc base=2300-01-01: dates of 1970 to 2261 are possible"),
    (["-M", "virt", "-object", "iothread,id=t,poll-max-ns=-5"], "property 'poll-max-ns' takes 0 to 9223372036854775807, not -5"),
    (["-M", "virt", "-action", "reboot=foo"], "reboot is one of: reset, shutdown"),
    (["-M", "virt", "-device", "pcie-root-port,id=a", "-device", "pcie-root-port,id=b"], "chassis 0, slot 0 is that of 'a'\ngive each root port a slot of its own"),
    (["-M", "virt", "-device", "pcie-root-port,id=a,chassis=2,slot=3", "-device", "pcie-root-port,id=b,chassis=2,slot=3"], "chassis 2, slot 3 is that of 'a'"),
    (["-M", "virt", "-device", "virtio-rng-pci,romfile=efi-virtio.rom"], "romfile=efi-virtio.rom: option ROMs are not there yet"),
    (["-M", "virt", "-device", "virtio-net-pci,romfile=,failover_pair_id=hostdev0"], "failover_pair_id=hostdev0: failover partners are not there yet"),
    (["-M", "virt", "-device", "nvme,serial=s,sriov-pf=pf"], "sriov-pf=pf: virtual functions are not there yet"),
    (["-M", "virt", "-device", "virtio-serial-pci,max_ports=1", "-device", "virtserialport,nr=1"], "Out-of-range port id specified, max. allowed: 0"),
    (["-M", "virt,memory-backend=x"], "there is no such memory backend\nmake it with -object memory-backend-ram,id=x"),
    (["-M", "virt,memory-backend=x", "-m", "1G", "-object", "memory-backend-ram,id=x,size=64M"],
     "memory-backend=x has 67108864 bytes, the machine 1073741824"),
    (["-kernel"], "-kernel: an argument is missing"),
])
def test_mistakes_end_with_status_1(none_exists, arguments, text):
    done = run("-display", "none", "-bios", "none", *arguments)
    assert done.returncode == 1
    assert text in done.stderr.decode()


@pytest.mark.parametrize("monitor", ["-monitor", "-qmp"])
@pytest.mark.parametrize("arguments, text", [
    (["-gdb", "foo"], "-gdb: 'foo': there is no chardev kind 'foo'"),
    (["-gdb", "tcp::65536"], "port '65536': ports are numbers from 0 to 65535, or names"),
    (["-pidfile", "no/such/folder"], "cannot write pid file 'no/such/folder'"),
    (["-qmp", "tcp:bad"], "'bad' is no HOST:PORT"),
    (["-mon", "chardev=x"], "there is no chardev 'x'"),
    (["-qtest", "foo"], "-qtest foo: 'foo': there is no chardev kind 'foo'"),
    (["-accel", "tcg,cache=/dev/null/x"], "cannot make the folder '/dev/null/x'"),
])
def test_mistakes_found_late(none_exists, monitor, arguments, text):
    """What only shows when nearly everything is there: nobody is greeted before it."""
    done = run("-display", "none", "-bios", "none", "-M", "virt", "-serial", "null", monitor, "stdio", *arguments)
    assert done.returncode == 1 and done.stdout == b"", done
    assert text in done.stderr.decode() and done.stderr.count(b"\n") <= 2


@pytest.mark.parametrize("arguments, text", [
    (["-nographic"], "-nographic cannot be used with -daemonize\nthere is no terminal then"),
    (["-display", "none", "-serial", "stdio"], "cannot use stdio with -daemonize"),
    (["-display", "none", "-monitor", "stdio"], "cannot use stdio with -daemonize"),
    (["-display", "none", "-qmp", "tcp:bad"], "'bad' is no HOST:PORT"),
])
def test_mistakes_of_daemons(none_exists, arguments, text):
    """They end before -daemonize returns; a terminal is not for them."""
    done = run("-M", "virt", "-bios", "none", "-daemonize", *arguments)
    assert done.returncode == 1 and text in done.stderr.decode() and done.stdout == b""


def test_firmware_folders(tmp_path):
    """-L comes before the cache and before what is installed, whatever the files are called there."""
    assert "/usr/share/qemu" in run("-L", "help").stdout.decode().splitlines()
    (tmp_path / "opensbi" / "generic").mkdir(parents=True)
    (tmp_path / "opensbi" / "generic" / "fw_dynamic.bin").mkdir()  # cannot be read: the message names what was chosen
    done = run("-display", "none", "-M", "virt", "-L", tmp_path)
    assert done.returncode == 1 and f"{tmp_path}/opensbi/generic/fw_dynamic.bin" in done.stderr.decode()


def test_version_and_help():
    assert run("-version").stdout.startswith(b"QEMU emulator version 11.1.0 (Mynah ")
    text = run("-help").stdout.decode()
    assert text.count("Example: ") >= 6 and "-kernel FILE" in text


@pytest.mark.parametrize("arguments, lines", [
    (["-netdev", "help"], ["Available netdev backend types:", "user", "tap"]),
    (["-nic", "help"], ["Available netdev backend types:", "user", "", "virtio-net-pci"]),
    (["-nic", "model=help"], ["Available NIC models for this configuration:", "virtio-net-pci", "virtio-net-device", "e1000e"]),
    (["-nic", "user,model=?"], ["virtio-net-pci"]),
    (["-net", "nic,model=help"], ["virtio-net-pci"]),
    (["-drive", "format=help"], []),
], ids=lambda arguments: " ".join(arguments) or None)
def test_lists_instead_of_values(arguments, lines):
    done = run(*arguments)
    text = done.stdout.decode()
    assert done.returncode == 0 and done.stderr == b"" and set(lines) <= set(text.split("\n")), done
    assert "virtio-rng-pci" not in text and "scsi-hd" not in text
    if not lines:
        assert {"raw", "qcow2", "file"} < set(text.splitlines()[0].removeprefix("Supported formats: ").split())


def test_json_forms(empty):
    """What a client may write where: single quotes, an id of any kind, unknown members."""
    empty.qmp.socket.sendall(b"{'execute': 'query-name', 'id': {'a': [1, null]}}\n")
    assert empty.qmp.read(time.monotonic() + 10) == {"return": {}, "id": {"a": [1, None]}}
    empty.qmp.socket.sendall(json.dumps({"execute": "query-name", "argument": {}}).encode() + b"\n")
    assert "unexpected" in empty.qmp.read(time.monotonic() + 10)["error"]["desc"]


def test_silent_until_chosen(start):
    """A monitor that shares the terminal with the guest says nothing before Ctrl-A c."""
    machine = start("-M", "virt", "-bios", "none", "-S", "-display", "none", "-serial", "mon:stdio", qmp=True, serial=False)
    machine.qmp.command("query-status")
    machine.pump(0.2)
    assert machine.console == b""
    machine.type("\x01c")
    machine.wait_for("type 'help'.*\r\n.*\\(qemu\\) ")
    machine.type("info status\r")
    machine.wait_for("VM status: paused")
    machine.type("\x01x")
    assert machine.wait_exit() == 0


def test_names_and_messages(start):
    """-name process= is what ps shows; -msg begins messages with the time and the guest's name."""
    machine = start("-M", "virt", "-bios", "none", "-S", "-name", "box,process=mybox", "-msg", "timestamp=on,guest-name=on",
                    "-accel", "nosuch", "-accel", "tcg", qmp=True)
    with open(f"/proc/{machine.process.pid}/comm", encoding="ascii") as name:
        assert name.read() == "mybox\n"
    assert machine.qmp.command("query-name") == {"name": "box"}
    machine.wait_for(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z box \S+: note: unknown accelerator 'nosuch'")

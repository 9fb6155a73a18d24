# tests/functional/test_disks.py - disks on the command line and over QMP.
import json
import os
import subprocess

import pytest

from test_images import IMG, IO, run

IDLE = ["-M", "virt", "-display", "none", "-S", "-nodefaults"]


def test_drives_and_nodes_are_shown(start, tmp_path):
    run(IMG, "create", "-q", "-f", "qcow2", str(tmp_path / "a.qcow2"), "10M")
    run(IMG, "create", "-q", "-f", "raw", str(tmp_path / "b.raw"), "1M")
    machine = start(*IDLE, "-bios", "none", "-drive", f"file={tmp_path}/a.qcow2,if=none,id=hd0,format=qcow2,cache=writeback,aio=threads,discard=unmap", "-device", "virtio-blk-pci,drive=hd0,id=disk0,serial=s1",
               "-blockdev", '{"driver":"file","filename":"%s/b.raw","node-name":"b","auto-read-only":true,"discard":"unmap"}' % tmp_path,
               "-object", "iothread,id=io0", "-device", "virtio-blk-device,drive=b,iothread=io0", qmp=True)
    disks = machine.qmp.command("query-block")
    assert disks[0]["device"] == "hd0" and disks[0]["inserted"]["drv"] == "qcow2" and disks[0]["inserted"]["image"]["virtual-size"] == 10 << 20
    assert disks[0]["qdev"].startswith("/machine/peripheral/disk0")
    assert disks[1]["device"] == "" and disks[1]["inserted"]["node-name"] == "b" and not disks[1]["inserted"]["ro"]
    nodes = {node["node-name"]: node for node in machine.qmp.command("query-named-block-nodes", flat=True)}
    assert nodes["b"]["drv"] == "file" and {node["drv"] for node in nodes.values()} == {"file", "qcow2"}
    assert [thread["id"] for thread in machine.qmp.command("query-iothreads")] == ["io0"]
    machine.qmp.command("block_resize", **{"node-name": "b", "size": 2 << 20})
    assert machine.qmp.command("query-named-block-nodes")[-1]["image"]["virtual-size"] in (2 << 20, 10 << 20)
    assert (tmp_path / "b.raw").stat().st_size == 2 << 20
    assert machine.qmp.command("query-blockstats")[0]["stats"]["rd_operations"] == 0
    run(IMG, "create", "-q", "-f", "qcow2", str(tmp_path / "c.qcow2"), "1M")
    machine.qmp.command("blockdev-add", **{"driver": "qcow2", "node-name": "n", "backing": None, "file": {"driver": "file", "filename": str(tmp_path / "c.qcow2")}})
    # The image is locked against others while it is in use.
    refused = subprocess.run([IO, "-c", "write 0 512", str(tmp_path / "a.qcow2")], capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "lock" in refused.stderr
    machine.qmp.command("blockdev-del", **{"node-name": "n"})
    assert "n" not in [node["node-name"] for node in machine.qmp.command("query-named-block-nodes")]


def test_nodes_that_are_not_there_or_in_use(start, tmp_path):
    """Class and text are those of QEMU 11.1."""
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    qmp = start(*IDLE, "-bios", "none", "-blockdev", "driver=file,filename=a,node-name=n", "-device", "virtio-blk-device,drive=n", qmp=True).qmp
    for command, arguments, text in [
            ("block_resize", {"node-name": "nobody", "size": 512}, "GenericError: Cannot find device='' nor node-name='nobody'"),
            ("block_resize", {"device": "nobody", "size": 512}, "GenericError: Cannot find device='nobody' nor node-name=''"),
            ("blockdev-del", {"node-name": "nobody"}, "GenericError: Failed to find node with node-name='nobody'"),
            ("blockdev-del", {"node-name": "n"}, "GenericError: Node n is in use")]:
        with pytest.raises(RuntimeError) as error:
            qmp.command(command, **arguments)
        assert str(error.value) == text


def test_a_medium_is_there_before_its_device(start, tmp_path):
    for name in ("a", "b"):
        run(IMG, "create", "-q", "-f", "qcow2", str(tmp_path / name), "1M")
    machine = start(*IDLE, "-bios", "none", "-drive", "if=none,id=d0", "-device", "pcie-root-port,id=rp,chassis=1", qmp=True)
    for name in ("a", "b"):
        machine.qmp.command("blockdev-change-medium", device="d0", filename=str(tmp_path / name), format="qcow2")
    run(IO, "-c", "write -q 0 512", str(tmp_path / "a"))  # which has been let go
    machine.qmp.command("device_add", driver="virtio-blk-pci", id="v", drive="d0", bus="rp")
    assert machine.qmp.command("query-block")[0]["inserted"]["file"] == str(tmp_path / "b")
    machine.qmp.command("quit")
    assert machine.wait_exit() == 0


def test_queues_are_given_to_iothreads(start):
    """As a JSON list, with keys that have dots, and by device_add."""
    machine = start(*IDLE, "-bios", "none", "-object", "iothread,id=t0", "-object", "iothread,id=t1", *(word for i in range(3) for word in ("-blockdev", f"driver=null-co,node-name=n{i}")),
                    "-device", "pcie-root-port,id=rp,chassis=1",
                    "-device", '{"driver":"virtio-blk-pci","id":"a","drive":"n0","num-queues":3,"iothread-vq-mapping":[{"iothread":"t0","vqs":[0,2]},{"iothread":"t1","vqs":[1]}]}',
                    "-device", "virtio-blk-pci,id=b,drive=n1,iothread-vq-mapping.0.iothread=t1", qmp=True)
    machine.qmp.command("device_add", driver="virtio-blk-pci", id="c", bus="rp", drive="n2", **{"iothread-vq-mapping": [{"iothread": "t0"}, {"iothread": "t1"}]})
    assert "iothread" in machine.qmp.command("qom-get", path="/machine/peripheral/c", property="iothread-vq-mapping")
    with pytest.raises(RuntimeError, match="object 't1' is in use, can not be deleted"):
        machine.qmp.command("object-del", id="t1")
    machine.qmp.command("quit")
    assert machine.wait_exit() == 0


def test_writethrough_is_told(start, tmp_path):
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    (tmp_path / "b").write_bytes(bytes(1 << 20))
    machine = start(*IDLE, "-bios", "none", "-drive", "file=a,if=virtio,format=raw,cache=writethrough", "-drive", "file=b,if=virtio,driver=raw",
                    "-drive", "file=b,if=none,driver=raw,id=c,readonly=on,file.locking=off", qmp=True)
    disks = machine.qmp.command("query-block")
    assert [disk["inserted"]["cache"]["writeback"] for disk in disks[:2]] == [False, True]
    assert [disk["removable"] for disk in disks] == [False, False, True]  # nobody has the last one


NULL = ["-blockdev", "driver=null-co,node-name=n"]


def mapping(entries, more=""):
    return ["-object", "iothread,id=t0", *NULL, "-device", '{"driver":"virtio-blk-pci","drive":"n","num-queues":2,%s"iothread-vq-mapping":[%s]}' % (more, entries)]


@pytest.mark.parametrize("arguments,text", [
    (["-drive", "file=missing.img,id=a,if=none"], "Could not open 'missing.img': No such file or directory"),
    (["-drive", "file=x,if=virtoi"], "unsupported bus type 'virtoi'"),
    (["-drive", "fiel=x"], "did you mean 'file'?"),
    (["-drive", "file=x,if=none,driver=rwa"], "rwa"),
    (["-drive", "file=x,if=none,driver=raw,format=raw"], "Cannot specify both 'driver' and 'format'"),
    ([*mapping('{"iothread":"t0"},{"iothread":"t0"}')], "iothread 't0' is there twice"),
    ([*mapping('{"iothread":"t1"}')], "there is no iothread 't1'"),
    ([*mapping('{"iothread":"t0","vqs":[0,2]}')], "'2' is not one of the 2 queues that the device has"),
    ([*mapping('{"iothread":"t0","vqs":[0]}')], "queue 1 is given to nobody"),
    ([*mapping('{"iothread":"t0","vq":[0]}')], "parameter 'vq' is unexpected"),
    ([*mapping('{"iothread":"t0"}', '"iothread":"t0",')], "iothread and iothread-vq-mapping properties cannot be set at the same time"),
    (["-object", "iothread,id=t0", "-device", '{"driver":"virtio-scsi-pci","num_queues":2,"iothread-vq-mapping":[{"iothread":"t0","vqs":[0,3]}]}'],
     "'3' is not one of the 2 queues that the device has"),
    (["-blockdev", "driver=null-co"], "'node-name' must be specified for the root node"),
    (["-blockdev", "driver=null-co,node-name=a,sizes=1"], "did you mean 'size'?"),
    (["-blockdev", "driver=nulco,node-name=a"], "did you mean 'null-co'?"),
    (["-drive", "file=x,if=none,aio=native"], "aio=native was specified, but it requires cache.direct=on, which was not specified"),
    (["-drive", "file=x,if=none,cache=none,cache.direct=off,aio=native"], "aio=native was specified, but it requires cache.direct=on"),
    (["-blockdev", "driver=file,filename=x,node-name=a,aio=native"], "aio=native was specified, but it requires cache.direct=on"),
    (["-device", "virtio-blk-pci,drive=nothing"], "can't find value 'nothing'"),
    (["-device", "virtio-blk-pci"], "drive property not set"),
    (["-drive", "file=x,if=none,bps=1,bps_rd=1"], "cannot be used at the same time"),
    ([*NULL, "-device", "virtio-blk-pci,drive=n,discard_granularity=1000"], "discard_granularity must be a multiple of logical_block_size"),
    ([*NULL, "-device", "virtio-blk-pci,drive=n,min_io_size=1000"], "min_io_size and opt_io_size must be multiples of logical_block_size"),
    ([*NULL, "-device", "virtio-blk-pci,drive=n,logical_block_size=4096,opt_io_size=512"], "must be multiples of logical_block_size"),
    ([*NULL, "-device", "virtio-blk-pci,drive=n,opt_io_size=8T"], "property 'opt_io_size' takes"),
    ([*NULL, "-device", "nvme,serial=s,drive=n,discard_granularity=512,logical_block_size=4096"], "discard_granularity must be a multiple of logical_block_size"),
    (["-blockdev", "throttle,node-name=t,throttle-group=g,file.driver=null-co"], "Throttle group 'g' does not exist"),
    (["-drive", "file=x,if=none,cache.direct=maybe"], "'cache.direct'"),
    (["-drive", "file=x,if=none,cache.dirct=on"], "did you mean 'cache.direct'?"),
    (["-drive", "file=x,if=none,werror=stopp"], "'stopp' invalid write error action"),
    (["-drive", "file=x,if=none,rerror=enospc"], "'enospc' invalid read error action"),
])
def test_mistakes_get_one_clear_line(arguments, text, tmp_path):
    program = os.path.abspath(os.environ.get("MYNAH", "build/mynah-system-riscv64"))
    result = subprocess.run([program, *IDLE, *arguments], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert result.returncode == 1 and text in result.stderr, result


@pytest.mark.parametrize("options, direct, no_flush, writeback", [
    ("cache.direct=on,cache.no-flush=on,cache.writeback=on", True, True, True),
    ("cache.direct=on,aio=native", True, False, True),
    ("cache=none,aio=native", True, False, True),
    ("cache=directsync,cache.direct=off", False, False, False),
    ("cache=unsafe,cache.no-flush=off,cache.writeback=off", False, False, False),
    ("cache=writethrough,cache.writeback=on", False, False, True),
])
def test_cache_modes_in_parts(start, tmp_path, options, direct, no_flush, writeback):
    """The parts have the last word over the mode."""
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    machine = start(*IDLE, "-bios", "none", "-drive", f"file=a,if=virtio,format=raw,{options}", qmp=True)
    assert machine.qmp.command("query-block")[0]["inserted"]["cache"] == {"direct": direct, "no-flush": no_flush, "writeback": writeback}


@pytest.mark.parametrize("read_only", [False, True], ids=["written", "read-only"])
def test_copy_on_read(start, tmp_path, read_only):
    """The board reads flash when it starts: afterwards all of it is in the image, unless that cannot be written."""
    base, top = tmp_path / "base.qcow2", tmp_path / "top.qcow2"
    run(IMG, "create", "-q", "-f", "qcow2", str(base), "32M")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(top))
    machine = start("-M", "virt", "-bios", "none", "-S", "-drive", f"if=pflash,format=qcow2,file={top},copy-on-read=on,readonly={'on' if read_only else 'off'}",
                    qmp=True)
    machine.qmp.command("quit")
    assert machine.wait_exit() == 0
    machine.pump(0.1)
    assert (b"disabling copy-on-read on read-only drive" in machine.console) == read_only
    entries = json.loads(run(IMG, "map", "--output=json", str(top)))
    assert sum(e["length"] for e in entries if e["depth"] == 0 and e["present"]) == (0 if read_only else 32 << 20)


def test_files_that_a_client_hands_over(start, tmp_path):
    """/dev/fdset/N, as libvirt passes images that the emulator could not open itself; access modes are those of the descriptors."""
    (tmp_path / "a.raw").write_bytes(bytes(1 << 20))
    fd, read_only = os.open(tmp_path / "a.raw", os.O_RDWR), os.open(tmp_path / "a.raw", os.O_RDONLY)
    program = os.path.abspath(os.environ.get("MYNAH", "build/mynah-system-riscv64"))

    def outcome(*arguments):
        script = '{"execute":"qmp_capabilities"}\n{"execute":"query-named-block-nodes"}\n{"execute":"quit"}\n'
        return subprocess.run([program, "-M", "none", "-display", "none", "-nodefaults", "-qmp", "stdio", *arguments], input=script, capture_output=True,
                              text=True, timeout=60, check=False, pass_fds=(fd, read_only))

    both = ["-add-fd", f"fd={fd},set=3", "-add-fd", f"fd={read_only},set=4"]
    good = outcome(*both, "-blockdev", "driver=file,node-name=n,filename=/dev/fdset/3", "-blockdev", "driver=file,node-name=r,filename=/dev/fdset/4,read-only=on")
    assert good.returncode == 0 and '"node-name": "n", "ro": false' in good.stdout and '"node-name": "r", "ro": true' in good.stdout, good
    automatic = outcome(*both, "-blockdev", "driver=file,node-name=n,filename=/dev/fdset/4,auto-read-only=on")
    assert '"node-name": "n", "ro": true' in automatic.stdout, automatic
    bad = outcome(*both, "-blockdev", "driver=file,node-name=n,filename=/dev/fdset/4")
    assert bad.returncode == 1 and "Could not open '/dev/fdset/4': Permission denied" in bad.stderr
    os.close(fd)
    os.close(read_only)


def failing(name, path, *rules):
    """Options of a node over the file whose requests fail by the rules of blkdebug."""
    return json.dumps({"driver": "blkdebug", "node-name": name, "image": {"driver": "file", "filename": str(path)},
                       "inject-error": [{"event": "none", **rule} for rule in rules]})


def test_machine_stops_for_errors_and_tries_again(start, linux, firmware, tmp_path):
    """werror= and rerror=: a guest notices nothing of an error that was mended while the machine stood."""
    content = os.urandom(256 << 10)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(content + bytes(256 << 10))
    room, broken = {"iotype": "write", "errno": 28, "once": True}, {"iotype": "read", "errno": 5, "sector": 128, "once": True}
    copy = "dd if=/dev/{0} of=/dev/{0} bs=64k count=4 seek=4 conv=fsync && echo {1} is copied"
    machine = start("-M", "virt", "-m", "512M", "-smp", "2", "-bios", firmware, "-object", "iothread,id=io",
                    "-blockdev", failing("a", tmp_path / "a", room), "-device", "virtio-blk-pci,drive=a,id=first,iothread=io",
                    "-blockdev", failing("b", tmp_path / "b", broken), "-device", "virtio-scsi-pci,id=s", "-device", "scsi-hd,drive=b,id=second,rerror=stop",
                    *linux(copy.format("vda", "first"), copy.format("sda", "second"), modules=["virtio_blk", "virtio_mmio", "virtio_scsi", "sd_mod"]), qmp=True)

    def stopped(path, node, operation, status, nospace):
        data = machine.qmp.event("BLOCK_IO_ERROR", 90)["data"]
        reason = data.pop("reason")
        assert data == {"qom-path": path, "device": "", "node-name": node, "operation": operation, "action": "stop", "nospace": nospace} and reason
        machine.qmp.event("STOP")
        assert machine.qmp.command("query-status")["status"] == "io-error"
        disks = {disk["inserted"]["node-name"]: disk.get("io-status") for disk in machine.qmp.command("query-block")}
        assert disks == {"a": "ok", "b": "ok", node: status}
        assert f"I/O status:       {status}" in machine.qmp.command("human-monitor-command", **{"command-line": "info block"})
        machine.qmp.command("cont")
        assert "I/O status" not in machine.qmp.command("human-monitor-command", **{"command-line": "info block"})

    # The partition scan reads sector 128 of neither disk.
    stopped("/machine/peripheral/first/virtio-backend", "a", "write", "nospace", True)
    machine.wait_for("first is copied", 60)
    stopped("/machine/peripheral/second", "b", "read", "failed", False)
    machine.wait_for("second is copied", 60)
    machine.wait_for("guest: done", 60)
    assert machine.wait_exit() == 0
    for name in ("a", "b"):
        assert (tmp_path / name).read_bytes() == content * 2


def test_error_policies_of_drives(start, tmp_path):
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    (tmp_path / "b").write_bytes(bytes(1 << 20))
    machine = start(*IDLE, "-bios", "none", "-drive", "file=a,if=virtio,format=raw,werror=report,rerror=ignore",
                    "-drive", "file=b,if=virtio,format=raw,werror=report,rerror=stop", qmp=True)
    assert [disk.get("io-status") for disk in machine.qmp.command("query-block")] == [None, "ok"]


def test_limits(start, tmp_path):
    """-drive, block_set_io_throttle, throttle-group and the driver on top of it; how requests wait is in tests/block/throttle.c."""
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    machine = start(*IDLE, "-bios", "none", "-object", "throttle-group,id=g,x-iops-total=100,limits.iops-total-max=200",
                    "-blockdev", "driver=throttle,node-name=t,throttle-group=g,file.driver=null-co", "-device", "virtio-blk-pci,drive=t,id=disk1",
                    "-drive", "file=a,if=virtio,format=raw,bps=100000,throttling.bps-total-max=200000,group=z", qmp=True)

    def shown(index):
        node = machine.qmp.command("query-block")[index]["inserted"]
        return {key: value for key, value in node.items() if key.startswith(("bps", "iops", "group")) and value}

    assert shown(0) == {"bps": 100000, "bps_max": 200000, "bps_max_length": 1, "group": "z"} and shown(1) == {}
    zero = {"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0}
    machine.qmp.command("block_set_io_throttle", id="/machine/peripheral/disk1/virtio-backend", **{**zero, "iops": 5, "iops_size": 4096})
    assert shown(1) == {"iops": 5, "iops_size": 4096, "group": "/machine/peripheral/disk1/virtio-backend"}
    assert "iops=5" in machine.qmp.command("human-monitor-command", **{"command-line": "info block"})
    machine.qmp.command("human-monitor-command", **{"command-line": "block_set_io_throttle /machine/peripheral/disk1/virtio-backend 0 0 0 0 0 0"})
    assert shown(1) == {}
    limits = machine.qmp.command("qom-get", path="/objects/g", property="limits")
    assert (limits["iops-total"], limits["iops-total-max"], limits["bps-write-max-length"]) == (100, 200, 1)
    machine.qmp.command("qom-set", path="/objects/g", property="limits", value={"iops-total": 150, "bps-read": 7})
    assert machine.qmp.command("qom-get", path="/objects/g", property="limits") == {**limits, "iops-total": 150, "bps-read": 7}
    machine.qmp.command("object-add", **{"qom-type": "throttle-group", "id": "h", "limits": {"bps-total": 5}})
    machine.qmp.command("object-del", id="h")
    for arguments in ({"device": "virtio0", **zero, "bps": 1, "bps_rd": 1}, {"device": "nothing", **zero}, {**zero}):
        with pytest.raises(RuntimeError):
            machine.qmp.command("block_set_io_throttle", **arguments)
    with pytest.raises(RuntimeError, match="GenericError: Device does not have a block device backend"):  # the transport is not the disk
        machine.qmp.command("block_set_io_throttle", id="disk1", **zero)
    with pytest.raises(RuntimeError, match="in use"):
        machine.qmp.command("object-del", id="g")


def test_nodes_get_new_options(start, tmp_path):
    """As libvirt does around a commit: the base becomes writable and back, the overlay gets another backing file."""
    for name in ("base", "other"):
        run(IMG, "create", "-q", "-f", "qcow2", str(tmp_path / f"{name}.qcow2"), "4M")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", str(tmp_path / "base.qcow2"), "-F", "qcow2", str(tmp_path / "top.qcow2"))
    run(IO, "-c", "write -P 7 0 64k", str(tmp_path / "base.qcow2"))

    def storage(name):
        return {"driver": "file", "node-name": f"{name}-file", "filename": str(tmp_path / f"{name}.qcow2"), "auto-read-only": True}

    def layer(name, **more):
        return {"driver": "qcow2", "node-name": name, "file": f"{name}-file", **more}

    base, other = layer("base", backing=None, **{"read-only": True}), layer("other", backing=None, **{"read-only": True})
    options = [storage("base"), base, storage("other"), other, storage("top"), layer("top", backing="base")]
    machine = start(*IDLE, "-bios", "none", "-object", "iothread,id=io", *[word for o in options for word in ("-blockdev", json.dumps(o))],
                    "-device", "virtio-blk-pci,drive=top,iothread=io", qmp=True)

    def reopen(*nodes):
        machine.qmp.command("blockdev-reopen", options=list(nodes))

    def shown():
        nodes = {node["node-name"]: node for node in machine.qmp.command("query-named-block-nodes")}
        return nodes["base"]["ro"], nodes["top"]["ro"], os.path.basename(nodes["top"].get("backing_file", "none"))

    assert shown() == (True, False, "base.qcow2")
    for _ in range(3):
        reopen({**base, "read-only": False})
        assert shown() == (False, False, "base.qcow2")
        reopen(base)
        assert shown() == (True, False, "base.qcow2")
    reopen(layer("top", backing="other", discard="unmap"))
    assert shown() == (True, False, "other.qcow2")
    with pytest.raises(RuntimeError, match="backing is missing for 'top'"):
        reopen(layer("top"))
    with pytest.raises(RuntimeError, match="there is a writer on it"):
        reopen({**base, "read-only": False}, layer("top", backing="other", **{"read-only": True}))
    assert shown() == (True, False, "other.qcow2")
    reopen(layer("top", backing=None))
    machine.qmp.command("blockdev-del", **{"node-name": "base"})
    machine.qmp.command("blockdev-del", **{"node-name": "base-file"})
    machine.qmp.command("quit")
    machine.wait_exit()
    for name in ("base", "other", "top"):
        run(IMG, "check", str(tmp_path / f"{name}.qcow2"))
    run(IO, "-r", "-c", "read -P 7 0 64k", str(tmp_path / "base.qcow2"))


def test_unflushed_at_stop(start, linux, firmware, tmp_path):
    """What the disk does not take at `stop` is told, each time; a flush of the guest's own would fail."""
    (tmp_path / "disk").write_bytes(bytes(256 << 10))
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, "-blockdev", failing("bad", tmp_path / "disk", {"iotype": "flush", "errno": 28}),
                    "-device", "virtio-blk-device,drive=bad", *linux("dd if=/dev/vda of=/dev/null count=8 && echo it is read", "read line",
                                                                     modules=["virtio_blk", "virtio_mmio"]), qmp=True)
    machine.wait_for("\nit is read", 60)
    for _ in range(2):
        machine.qmp.command("stop")
        machine.wait_for("error: what was written to 'bad' is not on the disk yet: No space left on device")
        machine.qmp.command("cont")


def add_disk(qmp, slot, node, thread=None):
    qmp.command("device_add", driver="virtio-blk-pci", id=f"d{slot}", bus=f"rp{slot}", drive=node, **{"share-rw": True}, **({"iothread": thread} if thread else {}))


def remove_disk(qmp, slot):
    qmp.command("device_del", id=f"d{slot}")
    while qmp.event("DEVICE_DELETED")["data"].get("device") != f"d{slot}":
        pass


def refusal(call, *arguments, **named):
    with pytest.raises(RuntimeError) as error:
        call(*arguments, **named)
    return str(error.value)


def test_nodes_are_where_their_disks_are(start, tmp_path):
    """What is put above a node of an iothread comes to that thread; disks of different threads do not share, and all comes home with the last one."""
    run(IMG, "create", "-q", "-f", "qcow2", str(tmp_path / "a.qcow2"), "4M")
    run(IO, "-c", "write 0 4M", str(tmp_path / "a.qcow2"))
    machine = start(*IDLE, "-accel", "qtest", "-bios", "none", "-object", "iothread,id=t0", "-object", "iothread,id=t1",
                    *(word for i in range(3) for word in ("-device", f"pcie-root-port,id=rp{i},chassis={i + 1}")),
                    "-blockdev", "driver=qcow2,node-name=a,file.driver=file,file.filename=a.qcow2", "-blockdev", "driver=null-co,node-name=other,size=1048576", qmp=True)
    qmp = machine.qmp
    add_disk(qmp, 0, "a", "t0")
    qmp.command("blockdev-add", driver="raw", file="a", **{"node-name": "above"})
    qmp.command("blockdev-add", driver="raw", **{"node-name": "top", "file": {"driver": "raw", "file": "above"}})
    for node in ("top", "above", "a"):
        qmp.command("block_resize", **{"node-name": node, "size": 8 << 20})
    for thread in (None, "t1"):
        for node in ("top", "a"):
            assert refusal(add_disk, qmp, 1, node, thread) == "GenericError: node 'a' is in another thread, for /machine/peripheral/d0/virtio-backend"
    add_disk(qmp, 1, "top", "t0")
    remove_disk(qmp, 0)
    assert "is in another thread" in refusal(add_disk, qmp, 0, "a", "t1")
    assert "in use" in refusal(qmp.command, "object-del", id="t0")
    remove_disk(qmp, 1)
    qmp.command("object-del", id="t0")
    add_disk(qmp, 0, "above", "t1")
    add_disk(qmp, 1, "other")
    assert "is in another thread" in refusal(qmp.command, "blockdev-reopen", options=[{"driver": "raw", "node-name": "above", "file": "other"}])
    remove_disk(qmp, 0)
    qmp.command("object-del", id="t1")
    for node in ("top", "above", "a"):
        qmp.command("blockdev-del", **{"node-name": node})
    qmp.command("quit")
    assert machine.wait_exit() == 0

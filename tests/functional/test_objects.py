# tests/functional/test_objects.py - -object, object-add, memory backends, NUMA nodes, and what they refuse.
import os
import re
import subprocess

import pytest

from conftest import PATIENCE

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))
MIB = 1 << 20


def hmp(machine, line):
    return machine.qmp.command("human-monitor-command", **{"command-line": line})


def refused(*arguments):
    done = subprocess.run([BINARY, "-display", "none", "-bios", "none", "-S", *arguments], capture_output=True, timeout=60 * PATIENCE, check=False)
    assert done.returncode == 1
    return done.stderr.decode()



def test_a_name_that_is_no_utf8(start, tmp_path):
    """A file may have one; JSON may not."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    machine = start("-M", "virt", "-accel", "qtest", "-display", "none", "-object", f"memory-backend-file,id=m,size=1M,mem-path={path}", qmp=True, serial=False)
    assert machine.qmp.command("qom-get", path="/objects/m", property="mem-path") == f"{tmp_path}/caf\ufffd"


def test_object_add_and_del(start):
    machine = start("-M", "virt,memory-backend=main", "-object", "memory-backend-ram,id=main,size=64M", "-bios", "none", "-S", qmp=True)
    qmp = machine.qmp
    qmp.command("object-add", **{"qom-type": "memory-backend-memfd", "id": "m1", "size": MIB, "prealloc": True, "prealloc-threads": 3})
    qmp.command("object-add", **{"qom-type": "secret", "id": "s0", "data": "letmein"})
    hmp(machine, "object_add memory-backend-ram,id=m2,size=2M,merge=off")
    found = {m["id"]: m for m in qmp.command("query-memdev")}
    assert found["m1"] == {"id": "m1", "size": MIB, "merge": True, "dump": True, "prealloc": True, "share": True, "reserve": True,
                           "host-nodes": [], "policy": "default"}
    assert found["m2"]["merge"] is False and found["main"]["size"] == 64 * MIB
    assert "memory backend: m2\n  size:  2097152\n" in hmp(machine, "info memdev")
    names = {t["name"] for t in qmp.command("qom-list-types", implements="user-creatable")}
    assert {"memory-backend-ram", "memory-backend-file", "memory-backend-memfd", "secret", "monitor-qmp"} <= names
    with pytest.raises(RuntimeError, match="there is already an object with id 'm1'"):
        qmp.command("object-add", **{"qom-type": "memory-backend-ram", "id": "m1", "size": MIB})
    with pytest.raises(RuntimeError, match="object 'main' is in use, can not be deleted"):
        qmp.command("object-del", id="main")
    qmp.command("object-add", **{"qom-type": "iothread", "id": "t0", "poll-max-ns": 1000, "poll-weight": 2, "thread-pool-max": 8})
    assert [(t["id"], t["poll-max-ns"]) for t in qmp.command("query-iothreads")] == [("t0", 1000)]
    qmp.command("object-del", id="t0")
    assert qmp.command("query-iothreads") == []
    for number, data in enumerate(("", "bGV0bWVpbg==", "bGV0\nbWVp\nbg==\n"), 1):
        qmp.command("object-add", **{"qom-type": "secret", "id": f"s{number}", "data": data, "format": "base64"})
    for name in ("m1", "m2", "s0"):
        qmp.command("object-del", id=name)
    with pytest.raises(RuntimeError, match="object 'm1' not found"):
        qmp.command("object-del", id="m1")
    assert [m["id"] for m in qmp.command("query-memdev")] == ["main"]
    with pytest.raises(RuntimeError, match="does not support hot-plugging CPUs"):
        qmp.command("query-hotpluggable-cpus")


@pytest.mark.parametrize("arguments, text", [
    ({"qom-type": "secret", "id": "a", "data": "bGV0bWVpbg", "format": "base64"}, "not valid base64"),
    ({"qom-type": "secret", "id": "a", "file": "/nonexistent/x"}, "cannot open '/nonexistent/x': No such file"),
    ({"qom-type": "secret", "id": "a", "file": "/dev/zero"}, "'/dev/zero' has more than 8 MiB"),
    ({"qom-type": "secret", "id": "a", "data": "b=V0", "format": "base64"}, "not valid base64"),
    ({"qom-type": "secret", "id": "a", "data": "!!!!", "format": "base64"}, "not valid base64"),
    ({"qom-type": "memory-backend-rma", "id": "a", "size": 4096}, "memory-backend-rma"),
    ({"qom-type": "memory-backend-ram", "id": "a"}, "size"),
    ({"qom-type": "memory-backend-ram", "id": "a", "size": 0}, "property 'size' must be given, and be greater than zero"),
    ({"qom-type": "memory-backend-ram", "size": 4096}, "id"),
    ({"qom-type": "memory-backend-ram", "id": "../a", "size": 4096}, "id '../a' is not valid"),
    ({"qom-type": "memory-backend-ram", "id": "a", "size": 1 << 62}, "more than any host can map"),
    ({"qom-type": "memory-backend-ram", "id": "a", "size": 4096, "host-nodes": [0]}, "must be empty for policy default"),
    ({"qom-type": "memory-backend-ram", "id": "a", "size": 4096, "policy": "bind"}, "host-nodes must be set for policy bind"),
    ({"qom-type": "memory-backend-ram", "id": "a", "size": 4096, "policy": "bind", "host-nodes": [1000]}, "numbers below 128"),
    ({"qom-type": "memory-backend-ram", "id": "a", "size": 4096, "policy": "bind", "host-nodes": [127]}, "NUMA"),
    ({"qom-type": "memory-backend-memfd", "id": "a", "size": 4096, "hugetlbsize": 2 * MIB}, "needs hugetlb=on"),
    ({"qom-type": "memory-backend-memfd", "id": "a", "size": 2 * MIB, "hugetlb": True, "hugetlbsize": 3 * MIB}, "power of two"),
    ({"qom-type": "memory-backend-file", "id": "a", "size": 4096, "mem-path": "/nonexistent/x"}, "No such file"),
    ({"qom-type": "memory-backend-file", "id": "a", "size": 4096, "mem-path": "/etc/hostname", "readonly": True}, "which no device of this machine takes"),
    ({"qom-type": "memory-backend-file", "id": "a", "size": 1 << 40, "mem-path": "/etc/hostname", "readonly": True, "rom": "off"}, "bytes, not"),
    ({"qom-type": "memory-backend-file", "id": "a", "size": 4096, "mem-path": "/tmp", "offset": 1}, "page size"),
    ({"qom-type": "memory-backend-file", "id": "a", "size": 4096, "mem-path": "/tmp", "align": 5000}, "power of two"),
])
def test_object_add_refuses(start, arguments, text):
    machine = start("-M", "none", "-nodefaults", qmp=True)
    with pytest.raises(RuntimeError, match=text):
        machine.qmp.command("object-add", **arguments)
    assert machine.qmp.command("query-memdev") == []


def test_file_backends(start, tmp_path):
    """A shared file is RAM from its offset on; readonly,rom=off is a private copy; discard-data leaves holes."""
    ram = tmp_path / "ram"
    ram.write_bytes(bytes(MIB) + b"\x12\x34" + bytes(8 * MIB - 2))
    machine = start("-M", "virt,memory-backend=m", "-bios", "none", "-S", "-object",
                    f"memory-backend-file,id=m,size=8M,mem-path={ram},offset=1M,readonly=on,rom=off,align=2M", qmp=True)
    assert "0x12 0x34" in hmp(machine, "xp /2xb 0x80000000")
    machine.close()
    machine = start("-M", "none", qmp=True)
    machine.qmp.command("object-add", **{"qom-type": "memory-backend-file", "id": "m", "size": 9 * MIB, "mem-path": str(ram), "share": True,
                                         "discard-data": True, "prealloc": True})
    machine.qmp.command("object-del", id="m")
    assert ram.read_bytes() == bytes(9 * MIB)


def test_mem_path(start, tmp_path):
    machine = start("-M", "virt", "-m", "32M", "-mem-path", tmp_path, "-mem-prealloc", "-bios", "none", "-S", qmp=True)
    memdev, = machine.qmp.command("query-memdev")
    assert memdev["id"] == "riscv_virt_board.ram" and memdev["prealloc"] and memdev["size"] == 32 * MIB


@pytest.mark.parametrize("arguments", [
    ["-M", "virt,memory-backend=m", "-object", "memory-backend-file,id=m,size=16M,mem-path=FILE"],
    ["-M", "virt", "-m", "16M", "-mem-path", "FILE"],
    ["-M", "virt,memory-backend=m", "-object", "memory-backend-file,id=m,size=16M,mem-path=FILE,offset=4K"],
])
def test_files_that_are_too_small_stay_as_they_are(tmp_path, arguments):
    """An empty file and one that is not there yet grow to what is asked for."""
    file = tmp_path / "ram"
    arguments = [a.replace("FILE", str(file)) for a in arguments]
    wanted = 16 * MIB + (4096 if "offset" in arguments[-1] else 0)
    file.write_bytes(b"mine" * 25000)
    assert f"cannot use '{file}' as memory: it has 100000 bytes, not {wanted}\n" in refused(*arguments)
    assert file.read_bytes() == b"mine" * 25000
    for prepare in (lambda: file.write_bytes(b""), file.unlink):
        prepare()
        subprocess.run([BINARY, *arguments, "-display", "none", "-bios", "none", "-S", "-monitor", "stdio"], input=b"quit\n", check=True,
                       timeout=60 * PATIENCE, stdout=subprocess.DEVNULL)
        assert file.stat().st_size == wanted


def numa_tree(tmp_path, *arguments):
    """The device tree's cells about NUMA."""
    blob = tmp_path / "virt.dtb"
    subprocess.run([BINARY, "-M", f"virt,dumpdtb={blob}", "-display", "none", "-bios", "none", *arguments], check=True, timeout=60 * PATIENCE,
                   cwd=tmp_path)
    return blob.read_bytes()


def cells(*values):
    return b"".join(v.to_bytes(4, "big") for v in values)


def test_numa(start, tmp_path):
    nodes = ["-m", "96M", "-smp", "3", "-object", "memory-backend-ram,id=a,size=64M", "-object", "memory-backend-memfd,id=b,size=32M",
             "-numa", "node,memdev=a,cpus=0-1", "-numa", "node,memdev=b,cpus=2", "-numa", "dist,src=0,dst=1,val=15"]
    tree = numa_tree(tmp_path, *nodes)
    assert cells(0, 0, 10, 0, 1, 15, 1, 0, 15, 1, 1, 10) in tree and b"numa-distance-map-v1" in tree
    assert b"memory@80000000\0" in tree and b"memory@84000000\0" in tree
    machine = start("-M", "virt", "-bios", "none", "-S", *nodes, qmp=True)
    assert [c["props"]["node-id"] for c in machine.qmp.command("query-cpus-fast")] == [0, 0, 1]
    assert re.search("2 nodes\nnode 0 cpus: 0 1\nnode 0 size: 64 MB\nnode 0 plugged: 0 MB\nnode 1 cpus: 2\n", hmp(machine, "info numa"))
    tree = hmp(machine, "info mtree")
    assert re.search(r"0000000084000000-0000000085ffffff .*ram\): b\n", tree)
    hmp(machine, "object_del a")
    assert {m["id"] for m in machine.qmp.command("query-memdev")} == {"a", "b"}


def test_numa_sizes_and_defaults(tmp_path):
    """mem= splits the board's own memory; CPUs that nobody placed go round in equal parts."""
    tree = numa_tree(tmp_path, "-m", "64M", "-smp", "4", "-numa", "node,mem=32", "-numa", "node,mem=32M")
    assert b"memory@82000000\0" in tree and b"distance-map" not in tree
    tree = numa_tree(tmp_path, "-m", "64M", "-smp", "4", "-numa", "node,mem=32", "-numa", "node,mem=32M", "-numa", "dist,src=0,dst=1,val=20")
    assert cells(0, 1, 20, 1, 0, 20, 1, 1, 10) in tree
    assert b"numa-node-id" not in numa_tree(tmp_path, "-m", "64M")


@pytest.mark.parametrize("arguments, text", [
    (["-numa", "node,mem=64M"], "total memory for NUMA nodes (0x4000000) should equal RAM size (0x8000000)"),
    (["-numa", "node,nodeid=1,mem=128M"], "Node ID missing: 0"),
    (["-numa", "node,nodeid=500"], "is not below 128"),
    (["-numa", "node,cpus=0-9,mem=128M"], "CPU index (9) should be smaller than maxcpus (1)"),
    (["-numa", "node,cpus=x"], "cpus=x: it is a number or a range"),
    (["-numa", "node,memdev=nope"], "memdev=nope: there is no such memory backend"),
    (["-numa", "node,memdev=m,mem=1M", "-object", "memory-backend-ram,id=m,size=128M"], "cannot specify both"),
    (["-numa", "node,memdev=m", "-numa", "node,mem=0", "-object", "memory-backend-ram,id=m,size=128M"], "either all or no nodes"),
    (["-smp", "2", "-numa", "node,memdev=m", "-numa", "node,memdev=m", "-m", "256M", "-object", "memory-backend-ram,id=m,size=128M"], "in use already"),
    (["-numa", "node,mem=128M", "-numa", "dist,src=0,dst=0,val=11"], "distance of a node to itself is 10"),
    (["-numa", "node,mem=128M", "-numa", "dist,src=0,dst=1,val=11"], "nodes that -numa node made before"),
    (["-numa", "dist,src=0"], "'dst' is missing"),
    (["-m", "1G,slots=2"], "slots needs maxmem"),
    (["-m", "1G,maxmem=512M"], "must be at least the initial memory size"),
    (["-m", "1G,slots=2,maxmem=1G"], "there are slots"),
    (["-mem-prealloc"], "-mem-prealloc needs -mem-path"),
    (["-object", "memory-backend-ram,size=1M"], "id=NAME is missing"),
    (["-object", "memory-backend-rma,id=m,size=1M"], "did you mean 'memory-backend-ram'?"),
    (["-object", "memory-backend-ram,id=m,sise=1M"], "did you mean 'size'?"),
])
def test_mistakes(arguments, text):
    assert text in refused("-M", "virt", *arguments)


@pytest.mark.parametrize("size", ["0", "size=0"])
def test_no_size_of_memory_is_the_usual_one(start, size):
    machine = start("-M", "virt", "-m", size, "-bios", "none", "-S", qmp=True)
    assert machine.qmp.command("query-memory-size-summary")["base-memory"] == 128 << 20


def test_slots_and_maxmem_are_accepted(start):
    machine = start("-M", "virt", "-m", "size=64M,slots=4,maxmem=1G", "-bios", "none", "-S", qmp=True)
    assert machine.qmp.command("query-memory-size-summary") == {"base-memory": 64 * MIB, "plugged-memory": 0}

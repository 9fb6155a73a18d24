# tests/functional/test_hotplug.py - Devices that come and go by QMP, and what is told about PCI buses.
import hashlib
import os

import pytest

from conftest import PATIENCE, bare_program


@pytest.fixture
def machine(start, firmware):
    return start("-M", "virt", "-bios", firmware, "-device", "pcie-root-port,id=rp,slot=1", "-device", "virtio-rng-pci,id=fixed", qmp=True)


def functions(qmp):
    return {d["qdev_id"]: d for d in qmp.command("query-pci")[0]["devices"]}


def test_comes_and_goes(machine):
    qmp = machine.qmp
    before = functions(qmp)
    assert before["fixed"]["id"] == {"vendor": 0x1af4, "device": 0x1005, "subsystem-vendor": 0x1af4, "subsystem": 4}
    assert before["rp"]["class_info"] == {"desc": "PCI bridge", "class": 0x604} and before["rp"]["pci_bridge"]["devices"] == []
    qmp.command("device_add", driver="virtio-rng-pci", id="hot", bus="rp", **{"max-bytes": 1024})
    assert qmp.command("qom-get", path="/machine/peripheral/hot", property="max-bytes") == 1024
    behind = functions(qmp)["rp"]["pci_bridge"]["devices"]
    assert [d["qdev_id"] for d in behind] == ["hot"]
    assert {"bar": 4, "type": "memory", "address": -1, "size": 16384, "prefetch": True, "mem_type_64": True} in behind[0]["regions"]
    qmp.command("device_del", id="hot")  # the guest has not switched the slot on
    assert qmp.event("DEVICE_DELETED")["data"] == {"device": "hot", "path": "/machine/peripheral/hot"}
    assert functions(qmp)["rp"]["pci_bridge"]["devices"] == []


@pytest.mark.parametrize("arguments,message", [
    ({"driver": "virtio-rng-pci", "bus": "pcie.0"}, "Bus 'pcie.0' does not support hotplugging"),
    ({"driver": "virtio-rng-pci", "bus": "rq"}, "GenericError: Bus 'rq' not found"),
    ({"driver": "virtio-rng-pcy"}, "there is no device 'virtio-rng-pcy'"),
    ({"driver": "virtio-rng-pci", "bus": "rp", "addr": "3"}, "rp has no slot 03"),
    ({"driver": "virtio-rng-pci", "bus": "rp", "colour": "red"}, "virtio-rng-pci has no property 'colour'"),
    ({"driver": "virtio-rng-pci", "bus": "rp", "id": "fixed"}, "already an object with id 'fixed'"),
    ({"driver": "virtio-rng-pci", "bus": "rp", "rng": "builtin"}, "property 'rng': 'builtin' is for .*virtio-backend alone"), # of the one that is there
    ({"driver": "loader", "addr": "0x80000000", "data": "1", "data-len": 4}, "Device 'loader' can not be hotplugged on this machine"),
    ({"driver": 7}, "Invalid parameter type for 'driver'"),
    ({}, "Parameter 'driver' is missing"),
])
def test_what_cannot_come(machine, arguments, message):
    with pytest.raises(RuntimeError, match=message):
        machine.qmp.command("device_add", **arguments)
    assert functions(machine.qmp)["rp"]["pci_bridge"]["devices"] == []


def test_what_cannot_go(machine):
    with pytest.raises(RuntimeError, match="Device 'nobody' not found"):
        machine.qmp.command("device_del", id="nobody")
    with pytest.raises(RuntimeError, match="Bus 'pcie.0' does not support hotplugging"):
        machine.qmp.command("device_del", id="fixed")


def test_entropy_source_comes_by_qmp(machine):
    qmp = machine.qmp
    qmp.command("object-add", **{"qom-type": "rng-random", "id": "r", "filename": "/dev/urandom"})
    qmp.command("device_add", driver="virtio-rng-pci", id="hot", bus="rp", rng="r")
    with pytest.raises(RuntimeError, match="in use"):
        qmp.command("object-del", id="r")
    qmp.command("device_del", id="hot")
    qmp.event("DEVICE_DELETED")
    qmp.command("object-del", id="r")


def slot_control(value):
    """A shell command: slot control (at 0x58, in the port's express capability) as a hot-plug driver writes it."""
    return f"printf '\\{value & 255:03o}\\{value >> 8:03o}' | dd of=/sys/bus/pci/devices/0000:00:01.0/config bs=2 seek=44 conv=notrunc 2>/dev/null"


ON, OFF = 0x1c0, 0x7c0  # power and its indicator on; off


@pytest.mark.parametrize("aia", ["none", "aplic-imsic"])
def test_guest_rescans(start, linux, firmware, tmp_path, aia):
    """Debian's kernel has no hot-plug driver: its user switches the slot and asks for a rescan; twice, the second time another disk."""
    disks = [tmp_path / name for name in ("a", "b")]
    machine = start("-M", f"virt,aia={aia}", "-m", "512M", "-bios", firmware, "-device", "pcie-root-port,id=rp,slot=1,addr=1",
                    *linux(modules=["virtio_blk"]), qmp=True)
    machine.wait_for("guest:~# ", 60)
    for disk in disks:
        disk.write_bytes(os.urandom(1 << 20))
        machine.qmp.command("blockdev-add", driver="raw", file={"driver": "file", "filename": str(disk)}, **{"node-name": disk.name})
        machine.qmp.command("device_add", driver="virtio-blk-pci", id="hot", bus="rp", drive=disk.name)
        machine.type(f"{slot_control(ON)}; echo 1 >/sys/bus/pci/rescan; sha256sum /dev/vda\n")
        machine.wait_for(hashlib.sha256(disk.read_bytes()).hexdigest(), 30)
        machine.type("echo 1 >/sys/bus/pci/devices/0000:01:00.0/remove; ls /dev/vda || echo NO DISK\n")
        machine.wait_for(r"\nNO DISK", 20)
        machine.qmp.command("device_del", id="hot")
        machine.type(f"{slot_control(OFF)}\n")
        while machine.qmp.event("DEVICE_DELETED", 20)["data"].get("device") != "hot":
            pass
    assert functions(machine.qmp)["rp"]["pci_bridge"]["devices"] == []


@pytest.mark.parametrize("adapter, plugged", [
    ({"driver": "virtio-scsi-pci", "iothread": "t"}, {"driver": "scsi-hd", "drive": "n"}),
    ({"driver": "virtio-serial-pci"}, {"driver": "virtserialport", "name": "x"}),
])
def test_what_is_plugged_in_goes_too(start, tmp_path, adapter, plugged):
    """The adapter takes its disks along, out of its iothread as well: thread, image and ids are free again, and it can come back."""
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    machine = start("-M", "virt", "-bios", "none", "-accel", "qtest", "-device", "pcie-root-port,id=rp", "-object", "iothread,id=t",
                    "-blockdev", "driver=file,node-name=n,filename=disk", qmp=True)
    qmp = machine.qmp
    for _ in range(2):
        qmp.command("device_add", id="a", bus="rp", **adapter)
        qmp.command("device_add", id="d", bus="a.0", **plugged)
        qmp.command("device_del", id="a")
        assert [qmp.event("DEVICE_DELETED")["data"]["device"] for _ in range(2)] == ["d", "a"]
        assert qmp.command("query-block") == []
    qmp.command("object-del", id="t")
    qmp.command("blockdev-del", **{"node-name": "n"})
    qmp.command("quit")
    assert machine.wait_exit() == 0


def test_devices_on_a_bus_of_another_kind(start):
    """Whatever else they need is not asked for, and nothing of them stays."""
    machine = start("-M", "virt", "-bios", "none", "-accel", "qtest", "-device", "virtio-scsi-pci,id=s", "-netdev", "hubport,id=n,hubid=0",
                    "-blockdev", "driver=null-co,node-name=b", qmp=True)
    kinds = [("pci-device", "s.0", "SCSI"), ("scsi-device", "pcie.0", "PCIE"), ("virtio-device", "s.0", "SCSI"), ("virtio-serial-port", "s.0", "SCSI")]
    for kind, bus, name in kinds:
        types = [t["name"] for t in machine.qmp.command("qom-list-types", implements=kind, abstract=False)]
        for driver in types:
            properties = {p["name"] for p in machine.qmp.command("device-list-properties", typename=driver)}
            wanted = {key: value for key, value in {"netdev": "n", "drive": "b", "serial": "x"}.items() if key in properties}
            with pytest.raises(RuntimeError, match=f"Device '{driver}' can't go on {name} bus|'{driver}' is not a valid device type|there is no device '{driver}'"):
                machine.qmp.command("device_add", driver=driver, id="x", bus=bus, **wanted)
        assert types
    machine.qmp.command("blockdev-del", **{"node-name": "b"})
    machine.qmp.command("quit")
    assert machine.wait_exit() == 0


def test_code_in_memory_that_goes(start):
    """A hart rewrites and runs code in a display's memory while the display is unplugged."""
    guest = bare_program("unplugged")
    machine = start("-M", "virt", "-smp", "2", "-m", "64M", "-bios", "none", "-kernel", guest, "-device", "pcie-root-port,id=rp,slot=1",
                    "-device", "bochs-display,id=hot,bus=rp", qmp=True)
    machine.wait_for("runs", 60)
    machine.qmp.command("device_del", id="hot")
    assert machine.process.wait(60 * PATIENCE) == 0

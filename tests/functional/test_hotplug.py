# tests/functional/test_hotplug.py - Devices that come and go by QMP, and what is told about PCI buses.
import pytest


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
    ({"driver": "virtio-rng-pci", "bus": "rq"}, "Bus 'rq' not found"),
    ({"driver": "virtio-rng-pcy"}, "there is no device 'virtio-rng-pcy'"),
    ({"driver": "virtio-rng-pci", "bus": "rp", "addr": "3"}, "rp has no slot 03"),
    ({"driver": "virtio-rng-pci", "bus": "rp", "colour": "red"}, "virtio-rng-pci has no property 'colour'"),
    ({"driver": "virtio-rng-pci", "bus": "rp", "id": "fixed"}, "already an object with id 'fixed'"),
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

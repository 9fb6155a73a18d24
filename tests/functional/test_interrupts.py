# tests/functional/test_interrupts.py - interrupt controllers of the virt board: what the guest is told, what it makes of them.
import hashlib
import os
import pathlib
import subprocess

import pytest

import fdt
from conftest import PATIENCE, ROOT

BINARY = os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))
TREES = fdt.sections(pathlib.Path(__file__).with_name("trees-virt.txt"))


@pytest.mark.parametrize("arguments", TREES)
def test_device_tree_is_qemus(tmp_path, arguments):
    """Node by node, phandles too, what QEMU 11.1.3 dumps for the same arguments."""
    blob = tmp_path / "virt.dtb"
    subprocess.run([BINARY, *arguments.split(), "-M", f"dumpdtb={blob}", "-m", "256M", "-display", "none", "-bios", "none"], check=True,
                   timeout=60 * PATIENCE, cwd=tmp_path)
    assert fdt.lines(blob.read_bytes()) == TREES[arguments]


def test_plic_without_supervisor(tmp_path):
    """Contexts of machine mode alone, and the tree numbers them as the device does: hart 1's registers of a context lie behind hart 0's."""
    blob = tmp_path / "virt.dtb"
    subprocess.run([BINARY, "-M", f"virt,dumpdtb={blob}", "-cpu", "rv64,s=off", "-smp", "2", "-display", "none", "-bios", "none"], check=True,
                   timeout=60 * PATIENCE, cwd=tmp_path)
    plic = next(line for line in fdt.lines(blob.read_bytes()) if "sifive,plic" in line)
    assert "interrupts-extended=4 b 2 b;" in plic
    done = subprocess.run([BINARY, "-M", "virt", "-cpu", "rv64,s=off", "-smp", "2", "-display", "none", "-bios", "none", "-S", "-monitor", "stdio"],
                          input="info qtree\nquit\n", capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
    assert 'hart-config = "M,M"' in done.stdout


@pytest.mark.parametrize("nodes, text", [
    (["node,mem=24M"] * 4 + ["node,mem=32M"], "virt supports at most 4 NUMA nodes"),
    (["node,mem=64M,cpus=1", "node,mem=64M,cpus=0,cpus=2"], "the CPUs of NUMA node 1 do not follow each other: 1 is in node 0"),
    (["node,mem=64M,cpus=0-2", "node,mem=64M"], "NUMA node 1 has no CPUs"),
])
def test_sockets_refused(nodes, text):
    done = subprocess.run([BINARY, "-M", "virt", "-smp", "3", "-m", "128M", "-display", "none", "-bios", "none", "-S",
                           *(word for node in nodes for word in ("-numa", node))], capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
    assert done.returncode == 1 and text in done.stderr


def ask(machine, command, pattern, deadline=30):
    """Types a command, waits for what it says, then for the prompt."""
    machine.type(command + "\n")
    found = machine.wait_for(pattern, deadline)
    machine.wait_for("guest:~# ", 20)
    return found


def counts(machine, name):
    """The numbers of an interrupt, and on which CPU it came how often."""
    machine.type("cat /proc/interrupts; echo THE END\n")
    text = machine.wait_for(r"\n +CPU0((?s:.*?))\nTHE END", 20).group(1).decode()
    machine.wait_for("guest:~# ", 20)
    cpus = text.split("\n")[0].count("CPU") + 1
    line = next(line.split() for line in text.split("\n") if name in line)
    return line[0].rstrip(":"), [int(n) for n in line[1:1 + cpus]], " ".join(line)


NUMA = ["-numa", "node,mem=256M,cpus=0-1", "-numa", "node,mem=256M,cpus=2-3"]


@pytest.mark.parametrize("aia, smp, nodes, ipi, chip", [
    ("none", 4, NUMA, "aclint-mswi", "SiFive PLIC"),
    ("none,aclint=on", 4, NUMA, "aclint-mswi", "SiFive PLIC"),
    pytest.param("aplic", 1, [], "aclint-mswi", "APLIC-DIRECT", marks=pytest.mark.long),
    ("aplic", 4, NUMA, "aclint-mswi", "APLIC-DIRECT"),
    ("aplic-imsic", 1, [], "aia-imsic", "PCI-MSIX"),
    ("aplic-imsic", 4, NUMA, "aia-imsic", "PCI-MSIX"),
    pytest.param("aplic-imsic,aclint=on", 4, NUMA, "aia-imsic", "PCI-MSIX", marks=pytest.mark.long),
])
def test_debian(start, linux, firmware, tmp_path, aia, smp, nodes, ipi, chip):
    """Debian's stock kernel reads a disk, reaches the host by two network cards, and moves an interrupt to another CPU."""
    disk = tmp_path / "disk"
    disk.write_bytes(os.urandom(8 << 20))
    machine = start("-M", f"virt,aia={aia}", "-smp", smp, "-m", "512M", *nodes, "-bios", firmware, *linux(modules=["virtio_blk", "virtio_net", "e1000e"]),
                    "-drive", f"file={disk},format=raw,if=none,id=d", "-device", "virtio-blk-pci,drive=d,num-queues=1",
                    "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0", "-netdev", "user,id=n1,net=10.0.3.0/24", "-device", "e1000e,netdev=n1")
    machine.wait_for(rf"Platform IPI Device +: {ipi}", 30)
    machine.wait_for("guest:~# ", 60)
    digest = hashlib.sha256(disk.read_bytes()).hexdigest()
    ask(machine, "sha256sum /dev/vda", digest)
    ask(machine, "for i in 0 1; do ip link set eth$i up; done; ip addr add 10.0.2.15/24 dev eth0; ip addr add 10.0.3.15/24 dev eth1", "eth1")
    for address in ("10.0.2.2", "10.0.3.2"):
        ask(machine, f"ping -c 2 -W 5 {address}", "2 packets received, 0% packet loss")
    name = "eth1-rx-0" if "imsic" in aia else "eth1"
    number, before, line = counts(machine, name)
    assert chip in line and sum(before) > 0
    if smp == 1:
        return
    # Any hart may be the one that boots and so CPU 0: which CPUs the card's controller serves, its kernel says.
    served = int(ask(machine, f"cat /proc/irq/{number}/smp_affinity", r"\n([0-9a-f]+)\r").group(1), 16)
    target = min((cpu for cpu in range(smp) if served >> cpu & 1), key=lambda cpu: before[cpu])
    ask(machine, f"echo {1 << target} >/proc/irq/{number}/smp_affinity; cat /proc/irq/{number}/smp_affinity", rf"\n0*{1 << target}\r")
    ask(machine, "ping -c 9 -i 0.1 -W 5 10.0.3.2", "9 packets received, 0% packet loss")
    _, after, line = counts(machine, name)
    moved = [b - a for a, b in zip(before, after)]
    assert moved[target] >= 7 and moved[target] >= sum(moved) - 2, line

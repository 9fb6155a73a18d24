# tests/functional/test_interrupts.py - interrupt controllers of the virt board: what the guest is told, what it makes of them.
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


@pytest.mark.parametrize("nodes, text", [
    (["node,mem=24M"] * 4 + ["node,mem=32M"], "virt supports at most 4 NUMA nodes"),
    (["node,mem=64M,cpus=1", "node,mem=64M,cpus=0,cpus=2"], "the CPUs of NUMA node 1 do not follow each other: 1 is in node 0"),
    (["node,mem=64M,cpus=0-2", "node,mem=64M"], "NUMA node 1 has no CPUs"),
])
def test_sockets_refused(nodes, text):
    done = subprocess.run([BINARY, "-M", "virt", "-smp", "3", "-m", "128M", "-display", "none", "-bios", "none", "-S",
                           *(word for node in nodes for word in ("-numa", node))], capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
    assert done.returncode == 1 and text in done.stderr

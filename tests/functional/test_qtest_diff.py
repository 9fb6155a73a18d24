# tests/functional/test_qtest_diff.py - registers beside another emulator's (tests/qtest_diff): the short part; and that a difference is seen.
import os
import subprocess
import sys

import pytest

from conftest import PATIENCE

RUN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "qtest_diff", "run")
SHORT = ["ns16550a", "plic", "nvme", "edu", "pci/nvme", "pci/edu", "virtio-pci/blk", "virtio-mmio/rng"]


def run(*arguments):
    done = subprocess.run([sys.executable, RUN, *arguments], capture_output=True, text=True, timeout=900 * PATIENCE, check=False)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    return done


def test_short():
    done = run(*SHORT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_all():
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_can_fail(tmp_path):
    """The peer is Mynah itself with another hart: that is found where it shows, and nothing else is."""
    peer = tmp_path / "peer"
    peer.write_text(f'#!/bin/sh\nexec "{os.environ["MYNAH"]}" -smp 2 "$@"\n')
    peer.chmod(0o755)
    done = run("--peer", str(peer), "fw-cfg", "edu", "ns16550a")
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if not line.startswith("qtest-diff:")] == ["fw-cfg harts: 0100, peer 0200"]

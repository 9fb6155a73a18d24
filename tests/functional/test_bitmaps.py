# tests/functional/test_bitmaps.py - bitmaps of qcow2 images that Debian's qemu-img made: kept up to date, or marked as outdated.
import pathlib
import random
import subprocess
import time

import pytest

from conftest import wait_unlocked
from images import IMG, IO, QEMU_IMG, QEMU_IO, check, listing, needs_qemu, run


def read_bitmap(path, name):
    """Flags and numbers of the bits that are set, read as the specification of the format says."""
    image = pathlib.Path(path).read_bytes()
    number = lambda at, size: int.from_bytes(image[at:at + size], "big")  # noqa: E731
    cluster, at = 1 << number(20, 4), number(100, 4)
    while number(at, 4) != 0x23852875:
        at += 8 + (number(at + 4, 4) + 7) // 8 * 8
    entry, end = number(at + 24, 8), number(at + 24, 8) + number(at + 16, 8)
    while entry < end:
        name_size, extra = number(entry + 18, 2), number(entry + 20, 4)
        if image[entry + 24 + extra:entry + 24 + extra + name_size] == name.encode():
            break
        entry += (24 + extra + name_size + 7) // 8 * 8
    bits = b"".join(image[where:where + cluster] if where > 1 else (b"\xff" if where else b"\0") * cluster
                    for where in (number(number(entry, 8) + 8 * i, 8) for i in range(number(entry + 8, 4))))
    return number(entry + 12, 4), {8 * i + k for i, byte in enumerate(bits) if byte for k in range(8) if byte >> k & 1}


@needs_qemu
@pytest.mark.parametrize("cluster", [512, 65536])
def test_bitmaps_are_kept_up_to_date(tmp_path, monkeypatch, cluster):
    """The same walk with both programs, in turns, leaves the same bits; what nobody writes to does not change."""
    monkeypatch.chdir(tmp_path)
    rand = random.Random(cluster)
    run(QEMU_IMG, "create", "-q", "-f", "qcow2", "-o", f"cluster_size={cluster}", "a.qcow2", "40M")
    run(QEMU_IMG, "bitmap", "--add", "-g", "4096", "a.qcow2", "b0")
    run(QEMU_IMG, "bitmap", "--add", "-g", "65536", "a.qcow2", "b1")
    run(QEMU_IMG, "bitmap", "--add", "a.qcow2", "still", "--disable")
    run(IMG, "snapshot", "-c", "s", "a.qcow2")
    wanted = [set(), set()]
    for turn in range(8):
        commands = []
        for _ in range(6):
            size = rand.choice([512, 4096, 100 * 1024, 3 << 20])
            offset = rand.randrange(0, (40 << 20) - size) // 512 * 512
            kind = rand.choice(["write -q", "write -q -z", "discard -q"])
            if kind == "discard -q":  # whole units: edges are kept as they are, or not
                offset, size = offset & ~65535, max(size & ~65535, 65536)
            commands += ["-c", f"{kind} {offset} {size}"]
            for bits, granularity in zip(wanted, (4096, 65536)):
                bits.update(range(offset // granularity, (offset + size - 1) // granularity + 1))
        run(IO if turn % 2 else QEMU_IO, "-d", "unmap", *commands, "a.qcow2")
        check("a.qcow2")
        assert read_bitmap("a.qcow2", "b0") == (2, wanted[0]), turn
        assert read_bitmap("a.qcow2", "b1") == (2, wanted[1]), turn
        assert read_bitmap("a.qcow2", "still") == (0, set())
    assert listing("info", "a.qcow2") == run(QEMU_IMG, "info", "a.qcow2")
    run(QEMU_IMG, "bitmap", "--add", "a.qcow2", "sum", "--merge", "b0", "-g", "4096")
    assert read_bitmap("a.qcow2", "sum")[1] == wanted[0]
    run(IMG, "snapshot", "-a", "s", "a.qcow2")  # everything may be different
    assert read_bitmap("a.qcow2", "b1")[1] >= set(range(640))
    run(IMG, "resize", "-q", "a.qcow2", "48M")
    check("a.qcow2")
    assert "b1" in run(QEMU_IMG, "info", "a.qcow2")


@needs_qemu
def test_bitmaps_after_a_crash_are_outdated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(QEMU_IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    run(QEMU_IMG, "bitmap", "--add", "a.qcow2", "b0")
    with subprocess.Popen([IO, "a.qcow2"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        process.stdin.write("write 0 512\n")
        process.stdin.flush()
        end = time.monotonic() + 60
        while read_bitmap("a.qcow2", "b0")[0] != 3:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        process.kill()
    wait_unlocked("a.qcow2")
    assert "in-use" in run(QEMU_IMG, "info", "a.qcow2")
    run(IO, "-c", "write -q 0 512", "a.qcow2")
    assert "in-use" in run(QEMU_IMG, "info", "a.qcow2") and "in-use" in run(IMG, "info", "a.qcow2")
    check("a.qcow2")
    run(QEMU_IMG, "bitmap", "--remove", "a.qcow2", "b0")
    check("a.qcow2")


@needs_qemu
@pytest.mark.parametrize("change", [["resize", "-q", "--shrink", "a.qcow2", "1M"], ["resize", "-q", "a.qcow2", "40M"],
                                    ["snapshot", "-a", "small", "a.qcow2"], ["snapshot", "-a", "large", "a.qcow2"]])
def test_bitmaps_of_another_size_are_outdated(tmp_path, monkeypatch, change):
    """Their tables are not for the disk as it is: QEMU would not open the image if they claimed to be up to date."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", "a.qcow2", "1M")
    run(IMG, "snapshot", "-c", "small", "a.qcow2")
    run(IMG, "resize", "-q", "a.qcow2", "40M")
    run(IMG, "snapshot", "-c", "large", "a.qcow2")
    run(IMG, "resize", "-q", "--shrink", "a.qcow2", "16M")
    run(IMG, "bitmap", "--add", "-g", "512", "a.qcow2", "fine")
    run(IMG, "bitmap", "--add", "-g", "65536", "a.qcow2", "coarse")
    run(IMG, *change)
    check("a.qcow2")
    assert read_bitmap("a.qcow2", "fine")[0] & 1 and read_bitmap("a.qcow2", "coarse")[0] == 2
    run(QEMU_IO, "-c", "write -q 0 64k", "a.qcow2")

# tests/functional/test_stress.py - Disks under load in a guest: all disks, all cards at once with verification; kill -9 in the middle of it.
"""MYNAH_STRESS: seconds of load; MYNAH_KILLS: how often the emulator is killed."""
import os
import random
import re
import subprocess

import pytest

from conftest import ROOT, Machine, cached, wait_unlocked
from test_images import IMG, run
from test_network import Servers

LONG = pytest.mark.long
SECONDS = int(os.environ.get("MYNAH_STRESS", "120"))
BLOCK, WORKERS, LOG_RUN, DISK = 4096, 4, 8, 64 << 20
MASK = (1 << 64) - 1


@pytest.fixture(scope="session")
def guest(tmp_path_factory):
    """Arguments that boot Debian's kernel with tests/guests/disk_verify.c in it and run one command."""
    build = os.path.dirname(os.path.realpath(os.environ.get("MYNAH", "")))
    program = next((path for folder in (build, os.path.join(ROOT, "build-check"), os.path.join(ROOT, "build"))
                    for path in [os.path.join(folder, "tests", "guests", "disk_verify")] if os.path.exists(path)), None)
    if not program:
        pytest.skip("libc6-dev-riscv64-cross is not installed: no tests/guests/disk_verify")
    kernel, busybox, modules = cached("linux-riscv64", "vmlinuz"), cached("linux-riscv64", "busybox"), cached("linux-riscv64", "modules")
    initrd = str(tmp_path_factory.mktemp("stress") / "initramfs.gz")
    subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "scripts", "make-initramfs"), busybox, initrd, "-m", modules, "virtio_mmio", "virtio_blk",
                    "virtio_scsi", "sd_mod", "nvme", f"bin/disk_verify={program}"], check=True)

    def arguments(command, harts=2):
        return ["-M", "virt", "-m", "512M", "-smp", str(harts), "-kernel", kernel, "-initrd", initrd, "-append", f'console=ttyS0 quiet -- "{command}"']

    return arguments


# ---- all devices at once ----

def has_device(name):
    binary = os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))
    return subprocess.run([binary, "-device", f"{name},help"], capture_output=True, check=False).returncode == 0


def disks(folder, size):
    """Options for a raw and a qcow2 disk (with a backing file) on each device."""
    devices = ["virtio-blk-pci,drive=%s", "virtio-blk-device,drive=%s,iothread=io", "virtio-blk-pci,drive=%s,packed=on",
               '{"driver":"virtio-blk-pci","drive":"%s","num-queues":2,"iothread-vq-mapping":[{"iothread":"io"},{"iothread":"io2"}]}', "scsi-hd,drive=%s,bus=pci.0",
               "scsi-hd,drive=%s,bus=mmio.0", "scsi-hd,drive=%s,bus=thread.0"]
    devices += ["nvme,drive=%s,serial=%s"] if has_device("nvme") else []
    options = ["-object", "iothread,id=io", "-object", "iothread,id=io2", "-device", "virtio-scsi-pci,id=pci", "-device", "virtio-scsi-device,id=mmio",
               "-device", "virtio-scsi-pci,id=thread,iothread=io,packed=on"]
    run(IMG, "create", "-q", "-f", "qcow2", f"{folder}/base.qcow2", size)
    for i, device in enumerate(devices):
        for kind in ("raw", "qcow2"):
            name = f"{kind}{i}"
            path = f"{folder}/{name}"
            run(IMG, "create", "-q", "-f", kind, *(["-b", f"{folder}/base.qcow2", "-F", "qcow2"] if kind == "qcow2" and i % 2 else []), path, size)
            options += ["-drive", f"file={path},format={kind},if=none,id={name},discard=unmap", "-device", device.replace("%s", name)]
    return options, 2 * len(devices)


def every_disk(start, guest, firmware, folder, seconds, harts, size):
    options, count = disks(folder, size)
    machine = start("-bios", firmware, *options, *guest(f"disk_verify stress {seconds} {seconds} /dev/vd? /dev/sd? $(ls /dev/nvme?n1 2>/dev/null)", harts))
    machine.wait_for(r"guest# disk_verify", 120)
    machine.wait_for(r"verify: \w+\r\n", 120 + 20 * seconds)
    assert machine.console.count(b" steps\r\n") == 2 * count and b"verify: ok\r\n" in machine.console, machine.tail()
    machine.wait_for("guest: done", 30)
    assert machine.wait_exit() == 0
    for name in sorted(os.listdir(folder)):
        if name.startswith("qcow2"):
            run(IMG, "check", str(folder / name))


def test_every_disk_for_a_moment(start, guest, firmware, tmp_path):
    every_disk(start, guest, firmware, tmp_path, 3, 2, "8M")


@LONG
def test_every_disk_under_load(start, guest, firmware, tmp_path):
    every_disk(start, guest, firmware, tmp_path, SECONDS, 4, "64M")


@LONG
def test_every_disk_on_a_busy_host(start, guest, firmware, tmp_path, busy_host):
    every_disk(start, guest, firmware, tmp_path, SECONDS, 4, "64M")


# ---- every card at once ----

CARDS = ["virtio-net-pci", "virtio-net-pci,packed=on", "virtio-net-pci,disable-modern=on,disable-legacy=off", "virtio-net-pci,mrg_rxbuf=off,indirect_desc=off,event_idx=off",
         "virtio-net-device", "e1000e"]


def every_card(start, linux, firmware, folder, size):
    """Both ways at the same time on every card, each behind a user network of its own, checksums on both sides."""
    made = [Servers(size) for _ in CARDS]
    options = [word for i, card in enumerate(CARDS) for word in
               ("-netdev", f"user,id=n{i},net=10.{i}.0.0/24", "-device", f"{card},netdev=n{i},mac=52:54:00:00:00:0{i}")]
    transfer = ("i=0; for n in $(ls /sys/class/net | grep eth); do c=$(sed s/.*:0// /sys/class/net/$n/address); ip link set $n up; ip addr add 10.$c.0.15/24 dev $n; done; "
                "head -c %d /dev/urandom >/tmp/u; sha256sum /tmp/u; " % size
                + "".join(f"(echo d{i} $(wget -q -O - http://10.{i}.0.2:{server.url_port}/f | sha256sum)) & (nc 10.{i}.0.2 {server.sink_port} </tmp/u; echo u{i} sent) & "
                          for i, server in enumerate(made)) + "wait; echo all done")
    script = folder / "transfer"
    script.write_text(transfer)
    machine = start("-M", "virt", "-m", "1G", "-smp", "4", "-bios", firmware, *options,
                    *linux("sh /transfer", modules=["virtio_mmio", "virtio_net", "e1000e", f"transfer={script}"]))
    try:
        machine.wait_for(r"all done\r\n", 120 + size // 1_000_000)
        digest = re.search(rb"([0-9a-f]{64})  /tmp/u", machine.console).group(1).decode()
        for i, server in enumerate(made):
            assert re.search(rb"d%d ([0-9a-f]{64})" % i, machine.console).group(1).decode() == server.sum, CARDS[i]
            server.wait_for_upload()
            assert server.sink.got == [(size, digest)], CARDS[i]
    finally:
        for server in made:
            server.close()
    assert machine.wait_exit() == 0


def test_every_card_for_a_moment(start, linux, firmware, tmp_path):
    every_card(start, linux, firmware, tmp_path, 1_000_003)


@LONG
def test_every_card_under_load(start, linux, firmware, tmp_path):
    every_card(start, linux, firmware, tmp_path, 200_000_003)


@LONG
def test_every_card_on_a_busy_host(start, linux, firmware, tmp_path, busy_host):
    every_card(start, linux, firmware, tmp_path, 200_000_003)


# ---- kill -9 ----

def mix(x):
    x = x + 0x9e3779b97f4a7c15 & MASK
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & MASK
    x = (x ^ x >> 27) * 0x94d049bb133111eb & MASK
    return x ^ x >> 31


def content(seed, block, number):
    return b"".join(word.to_bytes(8, "little") for word in (seed, block, number, 0)) * (BLOCK // 32)


def written(seed, worker, number):
    """The blocks that write `number` of a worker of disk_verify changes."""
    count = DISK // BLOCK // WORKERS
    r = mix(seed * 1000003 + worker * 7919 + number * 31337 & MASK)
    first = worker * count + r % (count - LOG_RUN)
    return range(first, first + 1 + (r >> 32) % LOG_RUN)


def verify(path, seed, flushed, before, most):
    """What was flushed is there, or something that was written later. before: contents that are known; gives back the new ones."""
    with open(path, "rb") as file:
        image = file.read()
    allowed = {}
    for worker in range(WORKERS):
        for number in range(flushed[worker] + most):
            for block in written(seed, worker, number):
                if number < flushed[worker]:
                    allowed[block] = [content(seed, block, number)]
                else:
                    allowed.setdefault(block, [before[block]] if block in before else []).append(content(seed, block, number))
    for block in before.keys() - allowed.keys():
        allowed[block] = [before[block]]
    after = {}
    for block, contents in allowed.items():
        there = image[block * BLOCK:(block + 1) * BLOCK]
        zero_before = block not in before and not any(there) and (len(contents) == 0 or int.from_bytes(contents[0][16:24], "little") >= flushed[block // (DISK // BLOCK // WORKERS)])
        assert there in contents or zero_before, f"block {block}: {there[:32].hex()}, not one of {[c[:32].hex() for c in contents][:4]}"
        if any(there):
            after[block] = there
    return after


VARIANTS = [("virtio-blk-pci,drive=d", ""), ("virtio-blk-device,drive=d", ",cache=none"), ("scsi-hd,drive=d", ""), ("virtio-blk-pci,drive=d,iothread=io", ""),
            ("scsi-hd,drive=d", ",aio=threads")]
FORMATS = [["-o", "cluster_size=65536"], ["-o", "cluster_size=4096"], ["-o", "lazy_refcounts=on"], ["-o", "cluster_size=16384,extended_l2=on"]]


def run_until_killed(folder, guest, firmware, image, seed, variant, rand):
    """Gives back how many writes each worker has had flushed."""
    device, drive = variant
    arguments = ["-bios", firmware, "-object", "iothread,id=io", "-device", "virtio-scsi-pci", "-drive", f"file={image},format=qcow2,if=none,id=d{drive}",
                 "-device", device, *guest(f"disk_verify log {seed} /dev/[sv]da")]
    with Machine(folder, *arguments) as machine:
        machine.wait_for(r"F \d+ \d+\r\n", 120)
        for _ in range(rand.randrange(1, 60)):  # so many lines of load, however fast it goes
            machine.wait_for(r"F \d+ \d+\r\n", 60)
        machine.process.kill()
        machine.process.wait()
        while machine.pump(0.01) and machine.selector.select(0):
            pass
        flushed = [0] * WORKERS
        for worker, number in re.findall(rb"F (\d+) (\d+)\r\n", machine.console):
            flushed[int(worker)] = max(flushed[int(worker)], int(number))
        return flushed


@pytest.mark.parametrize("kills", [1, pytest.param(int(os.environ.get("MYNAH_KILLS", "200")), marks=LONG)])
def test_killed_under_load(guest, firmware, tmp_path, kills):
    rand = random.Random(kills)
    image, known, state = str(tmp_path / "image.qcow2"), {}, [0, 0]
    for turn in range(kills):
        if turn % 10 == 0:
            known = {}
            run(IMG, "create", "-q", "-f", "qcow2", *FORMATS[turn // 10 % len(FORMATS)], image, str(DISK))
        seed = 1000 * kills + turn
        flushed = run_until_killed(tmp_path, guest, firmware, image, seed, VARIANTS[turn % len(VARIANTS)], rand)
        wait_unlocked(image)
        result = subprocess.run([IMG, "check", image], capture_output=True, text=True, check=False)
        assert result.returncode in (0, 2, 3), result  # clean, to be mended, leaks
        state[result.returncode != 0] += 1
        if result.returncode:
            run(IMG, "check", "-q", "-r", "all", image)
        run(IMG, "check", "-q", image)
        run(IMG, "convert", "-O", "raw", image, str(tmp_path / "raw"))
        known = verify(str(tmp_path / "raw"), seed, flushed, known, 400)
        print(f"{turn + 1}: flushed {flushed}, {len(known)} blocks known; {state[0]} clean, {state[1]} mended", flush=True)

# tests/functional/clients/test_command_lines.py - The command lines of kunit.py, syzkaller, Zephyr, Buildroot and Packer, word for word but for paths.
import json
import os
import random
import re
import shutil
import socket
import subprocess
import time

import pytest

from conftest import PATIENCE, ROOT, Qmp, cached
from filesystems import efi_disk, ext4
from test_images import IMG, run

# Debian 12's package qemu-system-data; kunit.py names the file.
KUNIT_FIRMWARE = "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin"
ADDRESS = "ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def first_line(port):
    """What the guest's server says behind a forwarded port; until it listens, connections are closed at once."""
    end = time.monotonic() + 60 * PATIENCE
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port), timeout=60 * PATIENCE) as connection:
            try:
                if line := connection.makefile().readline():
                    return line
            except ConnectionResetError:
                pass
        time.sleep(0.1)
    return None


def parts(linux, *commands, modules=()):
    """Kernel, initramfs and the words behind "--" of the `linux` fixture."""
    words = linux(*commands, modules=modules)
    return words[1], words[3], words[5].removeprefix("console=ttyS0 quiet ")


@pytest.fixture
def rootfs(tmp_path):
    (tmp_path / "files" / "etc").mkdir(parents=True)
    (tmp_path / "files" / "etc" / "issue").write_text("Welcome to the guest\n")
    return ext4(tmp_path / "rootfs.ext2", tmp_path / "files")


def test_kunit(start, linux):
    """kunit.py (C2) waits for the end of the process, which is the guest's reboot; accelerators that are not there are passed over."""
    if not os.path.exists(KUNIT_FIRMWARE):
        pytest.skip(f"no {KUNIT_FIRMWARE} (Debian 12's qemu-system-data)")
    kernel, initrd, words = parts(linux, "echo TAP version 14", "reboot -f")
    machine = start("-nodefaults", "-m", "1024", "-kernel", kernel, "-append", f"console=ttyS0 kunit.enable=1 kunit_shutdown=reboot {words}", "-no-reboot",
                    "-nographic", "-accel", "kvm", "-accel", "hvf", "-accel", "tcg", "-serial", "stdio",
                    "-machine", "virt", "-cpu", "rv64", "-bios", KUNIT_FIRMWARE, "-initrd", initrd, serial=False)
    machine.wait_for(r"\nTAP version 14\r\n", 60)
    assert machine.wait_exit() == 0
    assert machine.console.count(b"OpenSBI v1.1") == 1


def test_syzkaller(start, linux, rootfs, tmp_path):
    """C4: two forwarded ports, a disk that keeps nothing, QMP over TCP for the end."""
    control, ssh, before = free_port(), free_port(), rootfs.read_bytes()
    kernel, initrd, words = parts(linux, ADDRESS, "mount -t ext4 /dev/vda /root && cat /root/etc/issue && echo changed >/root/etc/issue && sync; cat /root/etc/issue",
                                  "grep -o 'mmu.*: .*' /proc/cpuinfo; head -c 4 /dev/hwrng | wc -c",
                                  "echo waiting; echo SSH-2.0-guest | nc -l -p 22; echo served", "sleep 1000",
                                  modules=["virtio_mmio", "virtio_blk", "crc32c_generic", "ext4", "virtio_net", "virtio_rng"])
    machine = start("-m", "2048", "-smp", "2", "-chardev", f"socket,id=SOCKSYZ,server=on,wait=off,host=localhost,port={control}",
                    "-mon", "chardev=SOCKSYZ,mode=control", "-display", "none", "-serial", "stdio", "-no-reboot", "-name", "VM-0",
                    "-device", "virtio-rng-pci", "-machine", "virt", "-cpu", "rv64,sv48=on", "-device", "virtio-net-pci,netdev=net0",
                    "-netdev", f"user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:{free_port()}-:23,hostfwd=tcp:127.0.0.1:{ssh}-:22",
                    "-device", "virtio-blk-device,drive=hd0", "-drive", f"file={rootfs},if=none,format=raw,id=hd0", "-snapshot",
                    "-initrd", initrd, "-kernel", kernel, "-append", f"root=/dev/vda console=ttyS0 quiet {words}", serial=False)
    machine.wait_for(r"Welcome to the guest\r\nchanged\r\n", 90)
    machine.wait_for(r"mmu\s*: sv48\r\n4\r\n", 30)
    machine.wait_for(r"waiting", 30)
    assert first_line(ssh) == "SSH-2.0-guest\n"
    machine.wait_for(r"served", 30)
    with socket.create_connection(("localhost", control), timeout=30) as connection:
        stream = connection.makefile("rw")
        assert "QMP" in stream.readline()
        for line in ('{"execute": "qmp_capabilities"}', '{"execute": "quit"}'):
            stream.write(line + "\n")
            stream.flush()
            assert json.loads(stream.readline()) == {"return": {}}
    assert machine.wait_exit() == 0
    assert rootfs.read_bytes() == before


@pytest.mark.parametrize("serial", ["mon:stdio", "pipe"])
def test_zephyr(start, hello, tmp_path, serial):
    """C5: west's way with the terminal, twister's with named pipes; the pid file while it runs."""
    pipe = tmp_path / "fifo"
    if serial == "pipe":
        os.mkfifo(f"{pipe}.in")
        os.mkfifo(f"{pipe}.out")
        serial = f"pipe:{pipe}"
    machine = start("-nographic", "-machine", "virt", "-bios", "none", "-m", "256", "-pidfile", "qemu.pid", "-serial", serial, "-kernel", hello, serial=False)
    if serial == "mon:stdio":
        machine.wait_for("Hello from", 20)
        machine.type("q")
        machine.wait_for("Good bye", 10)
    else:
        with open(f"{pipe}.out", "rb") as out, open(f"{pipe}.in", "wb", buffering=0) as keys:
            keys.write(b"q")
            assert re.search(rb"Hello from.*Good bye", out.read(), re.S)
    assert machine.wait_exit() == 0
    assert not (tmp_path / "qemu.pid").exists()


def test_zephyr_waits_for_its_debugger(start, hello, tmp_path):
    """-s -S: twister's and west's `debugserver`."""
    machine = start("-nographic", "-machine", "virt", "-bios", "none", "-m", "256", "-pidfile", "qemu.pid", "-serial", "mon:stdio",
                    "-gdb", "unix:gdb,server=on,wait=off", "-S", "-kernel", hello, serial=False, qmp=True)
    assert machine.qmp.command("query-status")["status"] == "prelaunch"
    assert int((tmp_path / "qemu.pid").read_text()) == machine.process.pid
    with socket.socket(socket.AF_UNIX) as gdb:
        gdb.connect(str(tmp_path / "gdb"))
        gdb.settimeout(20)
        gdb.sendall(b"+$?#3f")
        answer = b""
        while b"#" not in answer:  # the acknowledgement may come by itself
            more = gdb.recv(100)
            assert more, answer
            answer += more
        assert b"$T0" in answer
        gdb.sendall(b"+$D#44")
        machine.wait_for("Hello from", 20)


def test_buildroot(start, linux, rootfs):
    """C6: -drive without if=none beside -device is one disk. (Buildroot's fw_jump.elf is linked to its place; Debian's is not, its .bin is used.)"""
    kernel, initrd, words = parts(linux, "mount -o ro -t ext4 /dev/vda /root && cat /root/etc/issue", "ls /dev/vd*", ADDRESS, "ping -c 1 10.0.2.2", "poweroff -f",
                                  modules=["virtio_mmio", "virtio_blk", "crc32c_generic", "ext4", "virtio_net"])
    machine = start("-M", "virt", "-bios", cached("opensbi", "generic", "fw_jump.bin"), "-kernel", kernel, "-append", f"rootwait root=/dev/vda ro console=ttyS0 quiet {words}",
                    "-drive", f"file={rootfs},format=raw,id=hd0", "-device", "virtio-blk-device,drive=hd0", "-netdev", "user,id=net0",
                    "-device", "virtio-net-device,netdev=net0", "-nographic", "-initrd", initrd, serial=False)
    machine.wait_for(r"\nWelcome to the guest\r\n", 90)
    machine.wait_for(r"\n/dev/vda\r\nguest#", 30)
    machine.wait_for(r"1 packets received", 30)
    assert machine.wait_exit() == 0


def test_buildroot_efi(start, linux, tmp_path):
    """C6: OpenSBI by default, EDK2 in two flash chips, GRUB and the kernel from the disk's first partition, its root from the second."""
    for name in ("RISCV_VIRT_CODE.fd", "RISCV_VIRT_VARS.fd"):
        shutil.copy(cached("uefi", name), tmp_path / name)
    (tmp_path / "root" / "etc").mkdir(parents=True)
    (tmp_path / "root" / "etc" / "issue").write_text("Welcome to Buildroot\n")
    kernel, initrd, words = parts(linux, "mount -t ext4 /dev/vda2 /root && cat /root/etc/issue && date >/root/written && umount /root", "ls -1d /sys/firmware/efi /dev/vd*",
                                  "ls /sys/firmware/acpi 2>/dev/null || grep -c . /proc/device-tree/compatible", ADDRESS, "ping -c 1 10.0.2.2", "poweroff -f",
                                  modules=["virtio_mmio", "virtio_blk", "crc32c_generic", "ext4", "virtio_net"])
    efi_disk(tmp_path / "disk.img", tmp_path / "root", kernel, initrd, f"rootwait root=/dev/vda2 console=ttyS0 quiet {words}")
    machine = start("-M", "virt,pflash0=pflash0,pflash1=pflash1,acpi=off", "-smp", "4", "-m", "1024", "-nographic",
                    "-blockdev", "node-name=pflash0,driver=file,read-only=on,filename=RISCV_VIRT_CODE.fd",
                    "-blockdev", "node-name=pflash1,driver=file,filename=RISCV_VIRT_VARS.fd",
                    "-drive", "file=disk.img,format=raw,id=hd0", "-device", "virtio-blk-device,drive=hd0",
                    "-netdev", "user,id=net0", "-device", "virtio-net-device,netdev=net0", serial=False)
    machine.wait_for("RISC-V EDK2 firmware", 60)
    machine.wait_for(r"\nWelcome to Buildroot\r\n", 120)
    machine.wait_for(r"\n/dev/vda\r\n/dev/vda1\r\n/dev/vda2\r\n/sys/firmware/efi\r\n", 30)
    machine.wait_for(r"\n1\r\n", 30)
    machine.wait_for(r"1 packets received", 30)
    assert machine.wait_exit() == 0


def test_packer_in_any_order(start, linux, tmp_path):
    """C7: a Go map puts the options in another order each time; one of them at random here, the guest is the same."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    run(IMG, "create", "-q", "-f", "qcow2", str(tmp_path / "disk.qcow2"), "64M")
    (tmp_path / "cd.iso").write_bytes(b"CD001 " * 4096)
    port = free_port()
    kernel, initrd, words = parts(linux, "cat /sys/class/block/vda/size; dd if=/dev/vda bs=1k count=1 2>/dev/null | wc -c; echo written | dd of=/dev/vda conv=fsync 2>/dev/null",
                                  "dd if=/dev/sr0 bs=6 count=1 2>/dev/null; echo", ADDRESS, "echo waiting; echo SSH-2.0-guest | nc -l -p 22; poweroff -f",
                                  modules=["virtio_blk", "virtio_net", "virtio_scsi", "sr_mod"])
    options = [("-name", "packer-vm"), ("-machine", "type=virt"), ("-m", "512M"), ("-smp", "cpus=2,sockets=2"), ("-boot", "once=d"),
               ("-netdev", f"user,id=user.0,hostfwd=tcp::{port}-:22"), ("-device", "virtio-net,netdev=user.0"),
               ("-drive", "file=disk.qcow2,if=virtio,cache=writeback,discard=ignore,format=qcow2,detect-zeroes=unmap"),
               ("-drive", "file=cd.iso,media=cdrom,if=none,id=drive0,format=raw"), ("-device", "virtio-scsi-pci,id=scsi0"), ("-device", "scsi-cd,bus=scsi0.0,drive=drive0"),
               ("-qmp", "unix:monitor,server,nowait"), ("-display", "none"), ("-serial", "stdio"), ("-kernel", kernel), ("-initrd", initrd),
               ("-append", f"console=ttyS0 quiet {words}")]
    random.Random(seed).shuffle(options)
    # Of two -device the scsi disk's adapter is first in Packer's own list too: a device's bus has to be there.
    options.sort(key=lambda option: option[1].startswith("scsi-cd"))
    machine = start(*[word for option in options for word in option], serial=False)
    qmp = Qmp(str(tmp_path / "monitor"), 10 * PATIENCE)
    assert qmp.command("query-name") == {"name": "packer-vm"}
    machine.wait_for(r"\n131072\r\n1024\r\n", 90)
    machine.wait_for(r"CD001", 30)
    machine.wait_for(r"waiting", 30)
    assert first_line(port) == "SSH-2.0-guest\n"
    qmp.event("SHUTDOWN", 30)
    assert machine.wait_exit() == 0
    raw = subprocess.run([IMG, "dd", "-O", "raw", "bs=8", "count=1", f"if={tmp_path}/disk.qcow2", f"of={tmp_path}/start"], check=False)
    assert raw.returncode == 0 and (tmp_path / "start").read_bytes() == b"written\n".ljust(512, b"\0") # whole sectors, as qemu-img

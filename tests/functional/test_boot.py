# tests/functional/test_boot.py - Firmware, boot loader and Debian's kernel on the virt machine, to power off and reset.
import ctypes
import ctypes.util
import gzip
import struct

import pytest

from conftest import cached

BACKENDS = ["tcg", "tcg,backend=interp"]


@pytest.mark.parametrize("accel", BACKENDS)
def test_opensbi_banner(start, firmware, accel):
    machine = start("-M", "virt", "-accel", accel, "-bios", firmware)
    machine.wait_for(r"OpenSBI v\d", 30)
    machine.wait_for(r"Platform Name\s+: riscv-virtio,qemu", 10)
    machine.wait_for(r"Boot HART ID\s+: 0", 10)


def test_opensbi_counts_harts(start, firmware):
    machine = start("-M", "virt", "-smp", "4", "-bios", firmware)
    machine.wait_for(r"Platform HART Count\s+: 4", 30)


def test_uboot_under_opensbi(start, firmware):
    machine = start("-M", "virt", "-bios", firmware, "-kernel", cached("u-boot", "qemu-riscv64_smode", "u-boot.bin"))
    machine.wait_for(r"U-Boot 20\d\d", 30)
    machine.wait_for(r"Hit any key to stop autoboot", 60)
    machine.type("\n")
    machine.wait_for(r"=> ", 20)
    machine.type("echo 6 times 7 is ${arch}\n")
    machine.wait_for(r"\n6 times 7 is riscv", 20)
    machine.type("poweroff\n")
    assert machine.wait_exit() == 0


def test_uboot_in_machine_mode(start):
    machine = start("-M", "virt", "-bios", cached("u-boot", "qemu-riscv64", "u-boot.bin"))
    machine.wait_for(r"U-Boot 20\d\d", 30)
    machine.wait_for(r"Hit any key to stop autoboot", 60)
    machine.type("\n")
    machine.wait_for(r"=> ", 20)


@pytest.mark.parametrize("smp", [1, 4])
@pytest.mark.parametrize("accel", BACKENDS)
def test_debian_kernel_to_power_off(start, linux, firmware, accel, smp):
    slow = 6 if "interp" in accel else 1
    machine = start("-M", "virt", "-accel", accel, "-smp", smp, "-m", "512M", "-bios", firmware,
                    *linux("uname -srm", "grep -c ^processor /proc/cpuinfo", "poweroff -f"))
    machine.wait_for(r"guest# uname", 60 * slow)
    machine.wait_for(r"\nLinux 6\.\S+ riscv64", 20 * slow)
    machine.wait_for(rf"grep -c.*\r\n{smp}\r\n", 20 * slow)
    assert machine.wait_exit(20 * slow) == 0
    assert b"reboot: Power down" in machine.console


def test_debian_kernel_interactive_shell(start, linux, firmware):
    machine = start("-M", "virt", "-smp", "2", "-m", "512M", "-bios", firmware, *linux())
    machine.wait_for(r"guest: ready", 60)
    machine.wait_for(r"guest:~# ", 20)
    machine.type("echo $((6 * 7)) answers\n")
    machine.wait_for(r"\n42 answers\r\n", 20)
    machine.type("exit\n")
    assert machine.wait_exit() == 0


def test_reboot_20_times_in_one_process(start, linux, firmware):
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, *linux("uptime", "reboot -f"))
    for boot in range(21):
        machine.wait_for(r"OpenSBI v\d", 60)
        machine.wait_for(r"guest# uptime", 60)
        machine.wait_for(r"guest# reboot", 60)
    machine.wait_for(r"reboot: Restarting system", 20)
    assert machine.process.poll() is None


def test_no_reboot_ends_the_process(start, linux, firmware):
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, "-no-reboot", *linux("reboot -f"))
    machine.wait_for(r"reboot: Restarting system", 60)
    assert machine.wait_exit() == 0
    assert machine.console.count(b"OpenSBI v") == 1


def test_power_off_and_reset_are_told_by_qmp(start, linux, firmware):
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, *linux("reboot -f"), qmp=True)
    reset = machine.qmp.event("RESET", 60)
    assert reset["data"] == {"guest": True, "reason": "guest-reset"}
    machine.qmp.command("quit")
    assert machine.qmp.event("SHUTDOWN")["data"]["reason"] == "host-qmp-quit"
    assert machine.wait_exit() == 0


def test_cut_off_kernel_is_refused(start, tmp_path):
    cut = tmp_path / "cut"
    with open(cached("linux-riscv64", "vmlinuz"), "rb") as kernel:
        cut.write_bytes(kernel.read(3000000))
    machine = start("-M", "virt", "-bios", "none", "-kernel", cut)
    assert machine.wait_exit() == 1
    assert b"the kernel image is cut off: 3000000 of at least" in machine.console
    assert machine.console.count(b"\n") == 1


def zstd(data):
    name = ctypes.util.find_library("zstd")
    if not name:
        pytest.skip("no libzstd")
    library = ctypes.CDLL(name)
    library.ZSTD_compressBound.restype = library.ZSTD_compress.restype = ctypes.c_size_t
    room = library.ZSTD_compressBound(ctypes.c_size_t(len(data)))
    out = ctypes.create_string_buffer(room)
    size = library.ZSTD_compress(out, ctypes.c_size_t(room), data, ctypes.c_size_t(len(data)), 1)
    return out.raw[:size]


def zboot(packer, kernel):
    """An EFI zboot image as Linux makes it, without the EFI application that would unpack it."""
    payload = gzip.compress(kernel, 1) if packer == "gzip" else zstd(kernel)
    header = struct.pack("<4s4sII8x32sI", b"MZ", b"zimg", 4096, len(payload), packer.encode(), 0x818223CD)
    return header.ljust(4096, b"\0") + payload + struct.pack("<I", len(kernel)) + bytes(100)


@pytest.mark.parametrize("packer", ["gzip", "zstd22"])
def test_zboot_kernel(start, linux, firmware, tmp_path, packer):
    arguments = linux("uname -srm", "poweroff -f")
    with open(arguments[1], "rb") as kernel:
        (tmp_path / "vmlinuz.efi").write_bytes(zboot(packer, kernel.read()))
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, "-kernel", tmp_path / "vmlinuz.efi", *arguments[2:])
    machine.wait_for(r"\nLinux 6\.\S+ riscv64", 60)
    assert machine.wait_exit() == 0


def test_damaged_zboot_kernel_is_refused(start, tmp_path):
    image = bytearray(zboot("gzip", bytes(10000)))
    image[24:28] = b"lzma"
    (tmp_path / "vmlinuz.efi").write_bytes(image)
    machine = start("-M", "virt", "-bios", "none", "-kernel", tmp_path / "vmlinuz.efi")
    assert machine.wait_exit() == 1
    assert b"vmlinuz.efi': the EFI zboot image is packed by 'lzma'; gzip and zstd can be unpacked\n" in machine.console
    assert machine.console.count(b"\n") == 1

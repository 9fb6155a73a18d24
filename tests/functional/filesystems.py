# tests/functional/filesystems.py - Disks for guests: ext4 of a folder; as Buildroot and installers lay them out for EFI (GPT, firmware's files, a root).
import os
import shutil
import struct
import subprocess
import uuid
import zlib

import pytest

from conftest import cached

SECTOR, MIB = 512, 1 << 20
ESP_TYPE = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")   # UEFI 2.10, table 5.7
ROOT_TYPE = uuid.UUID("72ec70a6-cf74-40e6-bd49-4bda08e8f224")  # Discoverable Partitions: root, riscv64


def tool(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    if not path:
        pytest.skip(f"no {name}")
    return path


def ext4(path, files, mib=32):
    """An ext4 image that holds a folder."""
    path.write_bytes(b"")
    os.truncate(path, mib * MIB)
    subprocess.run([tool("mke2fs"), "-q", "-t", "ext4", "-d", str(files), str(path)], check=True)
    return path


def gpt(sectors, parts):
    """{sector: bytes} of a GUID partition table (UEFI 2.10, 5.3). parts: (type, name, first sector, sectors)."""
    entries = b"".join(kind.bytes_le + uuid.uuid5(kind, name).bytes_le + struct.pack("<QQQ72s", first, first + count - 1, 0, name.encode("utf-16-le"))
                       for kind, name, first, count in parts).ljust(128 * 128, b"\0")

    def header(own, other, table):
        def with_sum(crc):
            return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, own, other, 34, sectors - 34,
                               uuid.uuid5(ROOT_TYPE, "disk").bytes_le, table, 128, 128, zlib.crc32(entries))
        return with_sum(zlib.crc32(with_sum(0)))

    protective = bytes(446) + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee, b"\xff\xff\xff", 1, sectors - 1) + bytes(48) + b"\x55\xaa"
    return {0: protective, 1: header(1, sectors - 1, 2), 2: entries, sectors - 33: entries, sectors - 1: header(sectors - 1, 1, sectors - 33)}


def efi_disk(path, root, kernel, initrd, arguments, esp_mib=64, root_mib=32):
    """GRUB as the removable medium's boot program starts the kernel with the arguments; the folder `root` is the second partition."""
    folder = path.parent / f"{path.name}.esp"
    boot, grub = folder / "EFI" / "BOOT", folder / "EFI" / "debian"
    boot.mkdir(parents=True)
    grub.mkdir()
    shutil.copy(cached("grub", "grubriscv64.efi"), boot / "BOOTRISCV64.EFI")
    shutil.copy(kernel, folder / "Image")
    shutil.copy(initrd, folder / "initrd.gz")
    (grub / "grub.cfg").write_text(f"set timeout=0\nmenuentry Linux {{\n    linux /Image {arguments}\n    initrd /initrd.gz\n}}\n")
    first, second = path.parent / f"{path.name}.1", path.parent / f"{path.name}.2"
    first.write_bytes(b"")
    os.truncate(first, esp_mib * MIB)
    subprocess.run([tool("mkfs.vfat"), "-n", "EFI", str(first)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([tool("mcopy"), "-s", "-Q", "-i", str(first), *(str(item) for item in folder.iterdir()), "::"], check=True)
    ext4(second, root, root_mib)
    total = (esp_mib + root_mib + 2) * MIB // SECTOR
    places = (MIB // SECTOR, (1 + esp_mib) * MIB // SECTOR)
    parts = [(ESP_TYPE, "boot", places[0], esp_mib * MIB // SECTOR), (ROOT_TYPE, "root", places[1], root_mib * MIB // SECTOR)]
    with open(path, "wb") as disk:
        disk.truncate(total * SECTOR)
        for sector, data in gpt(total, parts).items():
            disk.seek(sector * SECTOR)
            disk.write(data)
        for place, file in zip(places, (first, second)):
            disk.seek(place * SECTOR)
            disk.write(file.read_bytes())
            file.unlink()
    shutil.rmtree(folder)
    return path

# tests/functional/test_virtio.py - Debian's kernel uses virtio devices on every transport.
import pytest

TRANSPORTS = [("virtio-rng-device", []), ("virtio-rng-device", ["-global", "virtio-mmio.force-legacy=off"]), ("virtio-rng-pci", []),
              ("virtio-rng-pci,packed=on", []), ("virtio-rng-pci,disable-modern=on", [])]


@pytest.mark.parametrize("device,more", TRANSPORTS)
def test_linux_reads_hwrng(start, linux, firmware, tmp_path, device, more):
    source = tmp_path / "entropy"
    source.write_bytes(b"words of the host\n" * 5000)
    machine = start("-M", "virt", "-m", "512M", "-bios", firmware, *more, "-object", f"rng-random,id=rng,filename={source}",
                    "-device", f"{device},rng=rng",
                    *linux("cat /sys/class/misc/hw_random/rng_current", "head -c 3600 /dev/hwrng | grep -c 'words of the host'", modules=["virtio_mmio", "virtio_rng"]))
    machine.wait_for(r"\r\nvirtio_rng\.0\r\n", 60)
    lines = machine.wait_for(r"\r\n(\d+)\r\nguest: done", 30)
    assert 190 <= int(lines.group(1)) <= 201
    assert machine.wait_exit() == 0

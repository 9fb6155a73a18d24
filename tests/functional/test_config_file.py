# tests/functional/test_config_file.py - -readconfig: a machine from a file, and messages that name its lines.
import subprocess

from conftest import PATIENCE
from test_objects import BINARY

MACHINE = """
# a machine
[machine]
  type = "virt"
[memory]
  size = "64M"
[smp-opts]
  cpus = "2"
[drive "d0"]
  if = "none"
  format = "raw"
  file = "a,b.raw"
[device "disk"]
  driver = "virtio-blk-pci"
  drive = "d0"
[object "o"]
  qom-type = "secret"
  data = "x"
[chardev "c"]
  backend = "null"
[netdev "n"]
  type = "user"
[global]
  driver = "virtio-blk-pci"
  property = "serial"
  value = "abc"
"""


def test_a_machine_from_a_file(start, tmp_path):
    (tmp_path / "vm.cfg").write_text(MACHINE)
    (tmp_path / "a,b.raw").write_bytes(bytes(1 << 20))
    qmp = start("-readconfig", "vm.cfg", "-bios", "none", "-S", "-device", "virtio-net-pci,netdev=n", qmp=True).qmp
    assert len(qmp.command("query-cpus-fast")) == 2
    assert qmp.command("query-memory-size-summary")["base-memory"] == 64 << 20
    disk = [disk for disk in qmp.command("query-block") if disk["device"] == "d0"][0]
    assert disk["inserted"]["file"].endswith("a,b.raw") and disk["qdev"] == "/machine/peripheral/disk/virtio-backend"
    assert qmp.command("qom-get", path="/machine/peripheral/disk", property="serial") == "abc"
    assert [entry["name"] for entry in qmp.command("qom-list", path="/objects") if entry["type"] == "child<secret>"] == ["o"]
    assert "c" in [chardev["label"] for chardev in qmp.command("query-chardev")]


def test_messages_name_the_line(tmp_path):
    (tmp_path / "vm.cfg").write_text('[machine]\n type = "virt"\n[device "x"]\n driver = "virtio-blk-pcy"\n')
    done = subprocess.run([BINARY, "-readconfig", "vm.cfg", "-S", "-display", "none"], capture_output=True, text=True, cwd=tmp_path, timeout=60 * PATIENCE,
                          check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "vm.cfg:3: [device] id=x,driver=virtio-blk-pcy" in done.stderr, done.stderr


def test_what_is_no_text(tmp_path):
    (tmp_path / "vm.cfg").write_bytes(b'[machine]\n type = "virt"\n\0\0')
    done = subprocess.run([BINARY, "-readconfig", "vm.cfg", "-S", "-display", "none"], capture_output=True, text=True, cwd=tmp_path, timeout=60 * PATIENCE,
                          check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "vm.cfg: byte 25 is 0" in done.stderr, done.stderr

# tests/functional/clients/test_libvirt.py - The real libvirt (Debian's libvirtd and virsh): its probe, and a machine's life from define to destroy.
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from conftest import PATIENCE, ROOT
from test_images import IMG, run

BINARY = os.path.realpath(os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64")))
NOBODY = 65534
CONFIG = 'stdio_handler = "file"\nsecurity_driver = "none"\ncgroup_controllers = [ ]\nnamespaces = [ ]\nseccomp_sandbox = 0\n'
DOMAIN = """<domain type='qemu'>
  <name>bird</name><memory unit='MiB'>512</memory><vcpu>2</vcpu>
  <os><type arch='riscv64' machine='virt'>hvm</type><loader type='rom'>{folder}/fw_dynamic.bin</loader><kernel>{folder}/kernel</kernel><initrd>{folder}/initrd.gz</initrd><cmdline>console=ttyS0 quiet</cmdline></os>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <emulator>{folder}/qemu-system-riscv64</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{folder}/disk.qcow2'/><target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{folder}/cd.iso'/><target dev='sda' bus='scsi'/><readonly/></disk>
    <controller type='scsi' model='virtio-scsi'/>
    <controller type='usb' model='none'/>
    <interface type='user'><model type='virtio'/></interface>
    <serial type='pty'/><console type='pty'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='virtio'/>
    <video><model type='virtio'/></video>
  </devices>
</domain>
"""
MODULES = ["virtio_blk", "virtio_net", "virtio_rng", "virtio_scsi", "sr_mod", "virtio_balloon", "virtio_gpu"]


class Libvirt:
    """libvirtd's per-user daemon, as a user that is not root; `virsh` runs verbs, one or several separated by ';'."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {"HOME": str(folder), "XDG_RUNTIME_DIR": f"{folder}/run", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
        (folder / ".config" / "libvirt").mkdir(parents=True)
        (folder / ".config" / "libvirt" / "qemu.conf").write_text(CONFIG)
        (folder / "run").mkdir()
        self.user = {}
        if os.geteuid() == 0:
            self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            for where, folders, files in os.walk(folder):
                for name in [".", *folders, *files]:
                    os.chown(os.path.join(where, name), NOBODY, NOBODY, follow_symlinks=False)
        self.log = open(folder / "libvirtd.log", "wb")
        self.daemon = subprocess.Popen(["libvirtd"], stdout=self.log, stderr=self.log, env=self.env, cwd=folder, **self.user)
        end = time.monotonic() + 30 * PATIENCE
        while not (folder / "run" / "libvirt" / "libvirt-sock").exists():
            assert self.daemon.poll() is None and time.monotonic() < end, (folder / "libvirtd.log").read_text()
            time.sleep(0.05)

    def virsh(self, verbs, ok=True, seconds=60):
        done = subprocess.run(["virsh", "-q", "-c", "qemu:///session", verbs], capture_output=True, text=True, timeout=seconds * PATIENCE, env=self.env,
                              cwd=self.folder, check=False, **self.user)
        assert not ok or done.returncode == 0, f"{verbs}\n{done.stdout}\n{done.stderr}\n{self.guest_log()}"
        return done.stdout + done.stderr

    def guest_log(self):
        log = self.folder / ".cache" / "libvirt" / "qemu" / "log" / "bird.log"
        return log.read_text()[-3000:] if log.exists() else ""

    def close(self):
        subprocess.run(["virsh", "-q", "-c", "qemu:///session", "destroy bird"], capture_output=True, timeout=60, env=self.env, check=False, **self.user)
        self.daemon.terminate()
        self.daemon.wait()
        self.log.close()


class Console:
    """virsh console on a terminal of its own."""

    def __init__(self, libvirt):
        self.fd, other = pty.openpty()
        self.process = subprocess.Popen(["virsh", "-c", "qemu:///session", "console", "bird", "--force"], stdin=other, stdout=other, stderr=other,
                                        env=libvirt.env, start_new_session=True, **libvirt.user)
        os.close(other)
        self.text = b""

    def wait_for(self, pattern, seconds=60):
        end = time.monotonic() + seconds * PATIENCE
        while not (match := re.search(pattern.encode(), self.text)):
            assert time.monotonic() < end, self.text[-2000:]
            if select.select([self.fd], [], [], 0.5)[0]:
                self.text += os.read(self.fd, 65536)
        self.text = self.text[match.end():]
        return match

    def type(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


@pytest.fixture
def libvirt(linux, firmware, tmp_path_factory):
    if not shutil.which("libvirtd", path=os.environ["PATH"] + ":/usr/sbin") or not shutil.which("virsh"):
        pytest.skip("no libvirtd and virsh (Debian's libvirt-daemon, libvirt-daemon-driver-qemu, libvirt-clients)")
    folder = tmp_path_factory.mktemp("libvirt")
    for parent in (folder, *list(folder.parents)[:2]):  # pytest keeps its folders to one user
        os.chmod(parent, 0o755)
    words = linux(modules=MODULES)
    shutil.copy(words[1], folder / "kernel")
    shutil.copy(words[3], folder / "initrd.gz")
    shutil.copy(BINARY, folder / "qemu-system-riscv64")
    shutil.copy(firmware, folder / "fw_dynamic.bin")
    run(IMG, "create", "-q", "-f", "qcow2", str(folder / "disk.qcow2"), "64M")
    (folder / "cd.iso").write_bytes(b"CD001 " * 4096)
    (folder / "bird.xml").write_text(DOMAIN.format(folder=folder))
    daemon = Libvirt(folder)
    yield daemon
    daemon.close()


def test_life_of_a_domain(libvirt):
    assert "<vcpu max='64'/>" in libvirt.virsh(f"domcapabilities --emulatorbin {libvirt.folder}/qemu-system-riscv64 --arch riscv64 --machine virt")
    libvirt.virsh(f"define {libvirt.folder}/bird.xml")
    libvirt.virsh("start bird")
    console = Console(libvirt)
    try:
        console.type("\n")
        console.wait_for("guest:~# ", 90)
        console.type("cat /sys/block/vda/size; dd if=/dev/sr0 bs=6 count=1 2>/dev/null; head -c 3 /dev/hwrng | wc -c; ls /sys/class/net\n")
        console.wait_for(r"131072\r\nCD001 3\r\neth0\s+lo", 30)
        live(libvirt)
        console.type("echo still $((6 * 7)); poweroff -f\n")
        console.wait_for("still 42", 30)
        end = time.monotonic() + 60 * PATIENCE
        while "shut off" not in libvirt.virsh("domstate bird"):
            assert time.monotonic() < end
            time.sleep(0.2)
    finally:
        console.close()
    # A second start: the probe's outcome comes from libvirt's cache.
    libvirt.virsh("start bird; destroy bird; undefine bird")


def live(libvirt):
    """Verbs on the running machine."""
    assert "running" in libvirt.virsh("domstate bird")
    libvirt.virsh("suspend bird")
    assert "paused" in libvirt.virsh("domstate bird")
    libvirt.virsh("resume bird")
    stats = libvirt.virsh("domstats bird")
    assert "balloon.maximum=524288" in stats and "vcpu.current=2" in stats and re.search(r"block\.0\.rd\.reqs=[1-9]", stats), stats
    assert re.search(r"vda\s+\S+disk\.qcow2", libvirt.virsh("domblklist bird"))
    libvirt.virsh("blockresize bird vda 128M")
    assert re.search(r"Capacity:\s+134217728", libvirt.virsh("domblkinfo bird vda"))
    libvirt.virsh("setmem bird 400M --live")
    assert "status" in libvirt.virsh("qemu-monitor-command bird --hmp 'info status'")
    shot = libvirt.folder / "shot"
    libvirt.virsh(f"screenshot bird {shot}")
    assert shot.read_bytes()[:2] in (b"P6", b"\x89P")
    libvirt.virsh("change-media bird sda --eject")
    libvirt.virsh(f"change-media bird sda {libvirt.folder}/cd.iso --insert")
    extra = libvirt.folder / "extra.qcow2"
    run(IMG, "create", "-q", "-f", "qcow2", str(extra), "8M")
    if libvirt.user:
        os.chown(extra, NOBODY, NOBODY)
    libvirt.virsh(f"attach-disk bird {extra} sdb --targetbus scsi --subdriver qcow2")
    assert "extra.qcow2" in libvirt.virsh("domblklist bird")
    libvirt.virsh("detach-disk bird sdb")
    assert "extra.qcow2" not in libvirt.virsh("domblklist bird")

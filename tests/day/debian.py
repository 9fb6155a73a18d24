#!/usr/bin/python3
# tests/day/debian.py - A day's work on Debian for riscv64: installed by its second stage, worked in, booted in every way.
"""usage: debian.py [-d FOLDER] [STAGE...]

Stages, each of which continues what the one before left in FOLDER (default: day in the cache):

  install   debootstrap's second stage in the guest, onto a qcow2 with a backing file; then a kernel and GRUB by apt
  work      apt installs a compiler; a Debian source package is built with -j4 and its tests pass; sqlite, git, python
  bytes     2 GB of files have the host's checksums, before and after they went through the disk and the network
  disks     boots from virtio-blk (PCI, MMIO), virtio-scsi and NVMe, and each time e2fsck finds nothing
  uefi      boots by EDK2 and GRUB
  screens   the console on virtio-gpu and bochs-display, as screendump sees it
  installer debian-installer reaches its menu

make check-long runs all of them.
MYNAH names the emulator (QEMU has the same command lines), SOURCE the source package, HARTS says how many (default 4). Packages come from a cache on this
machine's loopback (archive.py). The last line is "day: done".
"""
import hashlib
import os
import random
import re
import shutil
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "functional")]
from archive import Archive  # noqa: E402
from conftest import CACHE, ROOT  # noqa: E402
from guest import Guest, Lap, initramfs  # noqa: E402

MIB = 1 << 20
DISK_MIB, ESP_MIB = 12 << 10, 64
IMG = os.path.join(os.path.dirname(os.path.abspath(os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64")))), "tools", "mynah-img")
FIRMWARE = ["-bios", os.path.join(CACHE, "opensbi", "generic", "fw_dynamic.bin")]
SOURCE = os.environ.get("SOURCE", "jansson")
HARTS = os.environ.get("HARTS", "4")
# systemd gives up on what takes 90 seconds: on a busy host that is nothing.
PATIENT = "systemd.default_timeout_start_sec=1800 systemd.default_device_timeout_sec=1800 systemd.show_status=false"
OFF = "mount -o remount,ro /; echo o >/proc/sysrq-trigger"
TROUBLE = r"WARNING:|BUG:|Call Trace|hung_task|blocked for more|rcu.*stall|soft lockup|I/O error|EXT4-fs error"
DISKS = {"nvme": ["-device", "nvme,drive=hd0,serial=day"], "virtio-scsi": ["-device", "virtio-scsi-pci,id=scsi0", "-device", "scsi-hd,drive=hd0,bus=scsi0.0"],
         "virtio-blk-device": ["-device", "virtio-blk-device,drive=hd0"], "virtio-blk-pci": ["-device", "virtio-blk-pci,drive=hd0"]}


def run(*command):
    subprocess.run([str(word) for word in command], check=True)


class Day:
    def __init__(self, folder):
        self.folder = folder
        self.share = os.path.join(folder, "share")
        os.makedirs(self.share, exist_ok=True)
        self.archive = Archive(os.path.join(CACHE, "archive"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def machine(self, name, *arguments, disk="virtio-blk-pci", memory="2G"):
        """The harts, the disk, user networking, a folder of the host."""
        return Guest(self.folder, "-M", "virt", "-m", memory, "-smp", HARTS, *FIRMWARE,
                     "-drive", f"file={self.path('day.qcow2')},if=none,id=hd0,format=qcow2,discard=unmap", *DISKS[disk],
                     "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0", "-device", "virtio-rng-pci",
                     "-fsdev", f"local,id=f0,path={self.share},security_model=none", "-device", "virtio-9p-pci,fsdev=f0,mount_tag=share",
                     *arguments, name=name, qmp=True)

    def debian(self, name, *arguments, words="", **options):
        """The installed system, kernel and initrd given directly."""
        return self.machine(name, "-kernel", self.path("share/kernel"), "-initrd", self.path("share/initrd"),
                            "-append", f"root=LABEL=root rw console=ttyS0 quiet {PATIENT} {words}", *arguments, **options)

    def log_in(self, guest, seconds=300):
        guest.wait_for("day login: ", seconds)
        guest.type("root\n")
        guest.wait_for(r"root@day:~# ", 60)
        guest.type("stty -echo; PS1=; export TERM=dumb DEBIAN_FRONTEND=noninteractive\n")
        self.connect(guest)

    def rescue(self, guest):
        """The shell that is the only process with init=/bin/bash: nothing takes long there."""
        guest.wait_for("root@.*# ", 300)
        guest.type("stty -echo; PS1=; export TERM=dumb DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root\n")

    def connect(self, guest):
        """The host's folder, the network, the archive."""
        guest.sh("mkdir -p /share; mountpoint -q /share || mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /share")
        guest.sh("d=$(ls /sys/class/net | grep -v lo | head -1); ip link set $d up; ip addr replace 10.0.2.15/24 dev $d; ip route replace default via 10.0.2.2; "
                 f"echo nameserver 10.0.2.3 >/etc/resolv.conf; printf '%s http://10.0.2.2:{self.archive.port} trixie main\\n' deb deb-src >/etc/apt/sources.list")

    def log_out(self, guest, command="systemctl poweroff"):
        """No trouble in the kernel's log; the machine goes off."""
        trouble = [line for line in guest.sh("dmesg").splitlines() if re.search(TROUBLE, line)]
        assert not trouble, trouble
        guest.sh("umount /share; sync", 120)
        guest.type(command + "\n")
        assert guest.wait_exit(180) == 0
        run(IMG, "check", "-q", self.path("day.qcow2"))


def make_disk(day):
    """First stage on ext4 behind a place for UEFI's files, as the backing file of the disk."""
    raw, size = day.path("base.raw"), DISK_MIB - ESP_MIB - 2
    with open(raw, "wb") as disk:
        disk.truncate(DISK_MIB * MIB)
    mke2fs = shutil.which("mke2fs", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    run(mke2fs, "-q", "-t", "ext4", "-L", "root", "-d", os.path.join(CACHE, "debootstrap"), "-E", f"offset={(ESP_MIB + 1) * MIB}", raw, f"{size}M")
    entries = [struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start * 2048, count * 2048)
               for kind, start, count in ((0xef, 1, ESP_MIB), (0x83, ESP_MIB + 1, size))]
    with open(raw, "r+b") as disk:
        disk.seek(440)
        disk.write(struct.pack("<IH", 0x6d796e61, 0) + b"".join(entries) + bytes(32) + b"\x55\xaa")
    run(IMG, "convert", "-f", "raw", "-O", "qcow2", raw, day.path("base.qcow2"))
    os.remove(raw)
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", day.path("day.qcow2"))


def install(day):
    make_disk(day)
    initrd = initramfs(day.path("first.gz"), "virtio_blk", "crc32c_generic", "ext4", "virtio_net", "9p", "9pnet_virtio", "vfat", "nls_ascii", "nls_cp437")
    with day.machine("install", "-kernel", os.path.join(CACHE, "linux-riscv64", "vmlinuz"), "-initrd", initrd, "-append", "console=ttyS0 quiet") as guest:
        guest.wait_for("guest: ready", 120)
        guest.sh("stty -echo; mkdir /r /share; mount -t ext4 /dev/vda2 /r && mount -t 9p -o trans=virtio,version=9p2000.L share /share")
        with Lap(guest, "second stage"):
            guest.sh("chroot /r /debootstrap/debootstrap --second-stage || { tail -20 /r/debootstrap/debootstrap.log; false; }", 3600)
        guest.sh("mount -t proc p /r/proc; mount -t sysfs s /r/sys; mount -t devtmpfs d /r/dev; mkdir -p /r/dev/pts; mount -t devpts x /r/dev/pts")
        guest.sh("ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2")
        guest.sh(f"printf '%s http://10.0.2.2:{day.archive.port} trixie main\\n' deb deb-src >/r/etc/apt/sources.list; echo nameserver 10.0.2.3 >/r/etc/resolv.conf; "
                 "echo day >/r/etc/hostname; echo 127.0.0.1 localhost day >/r/etc/hosts; echo 'LABEL=root / ext4 errors=remount-ro 0 1' >/r/etc/fstab")
        with Lap(guest, "apt-get update"):
            guest.sh("chroot /r apt-get update", 600)
        with Lap(guest, "kernel by apt"):
            guest.sh("export DEBIAN_FRONTEND=noninteractive; chroot /r apt-get install -y --no-install-recommends linux-image-riscv64 initramfs-tools zstd dosfstools", 3600)
        guest.sh("chroot /r passwd -d root; cp /r/boot/vmlinu?-* /share/kernel && cp /r/boot/initrd.img-* /share/initrd && sync", 120)
        guest.type("umount /share /r/dev/pts /r/dev /r/sys /r/proc /r; poweroff -f\n")
        assert guest.wait_exit(120) == 0
    run(IMG, "check", "-q", day.path("day.qcow2"))


def work(day):
    with day.debian("work") as guest:
        with Lap(guest, "boot to login"):
            day.log_in(guest)
        with Lap(guest, "compiler and tools by apt"):
            guest.sh("apt-get update && apt-get install -y --no-install-recommends build-essential sqlite3 git python3 fakeroot", 3600)
            guest.sh(f"apt-get build-dep -y --no-install-recommends {SOURCE}", 3600)
        with Lap(guest, f"{SOURCE} built with -j4"):
            guest.sh(f"mkdir -p /root/src && cd /root/src && apt-get source {SOURCE} && cd {SOURCE}-*/ && "
                     "DEB_BUILD_OPTIONS=parallel=4 dpkg-buildpackage -b -uc >/root/build.log 2>&1 || { tail -40 /root/build.log; false; }", 7200)
            tests = guest.sh("grep -E '^# (PASS|FAIL|ERROR):|[0-9]+ tests? passed' /root/build.log; true")
            print("day: its own tests:", " ".join(tests.split()))
            assert re.search(r"# PASS:\s+[1-9]|tests? passed", tests) and not re.search(r"# (FAIL|ERROR):\s+[1-9]", tests), tests
            guest.sh(f"dpkg -i /root/src/*.deb", 300)
        with Lap(guest, "sqlite, git, python"):
            guest.sh("rm -f t.db; sqlite3 t.db 'create table t(a integer primary key, b text); with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000) "
                     "insert into t select i, hex(i * 7919) from n; create index x on t(b);'", 300)
            assert guest.sh("sqlite3 t.db 'pragma integrity_check; select count(*), sum(length(b)) from t;'", 120).split() == ["ok", expected_sqlite()]
            guest.sh("rm -rf g && git init -q g && cd g && git config user.email a@b && git config user.name a && for i in $(seq 200); do seq $i $((i + 500)) >f$i; "
                     "git add . && git commit -qm c$i; done && git gc -q && git fsck --full && [ $(git log --oneline | wc -l) = 200 ]", 900)
            digest = guest.sh("python3 -c \"import hashlib, zlib, json; d = json.dumps([i * i for i in range(200000)]).encode(); "
                              "print(hashlib.sha256(zlib.decompress(zlib.compress(d))).hexdigest())\"", 120).strip()
            assert digest == hashlib.sha256(("[" + ", ".join(str(i * i) for i in range(200000)) + "]").encode()).hexdigest()
        day.log_out(guest)


def expected_sqlite():
    """hex() of a number is that of its text: two digits for each of its."""
    return f"100000|{sum(2 * len(str(i * 7919)) for i in range(1, 100001))}"


def bytes_(day):
    """Seeded files of the host: by 9p and by network onto the disk, read again after the caches are dropped."""
    dice = random.Random(20)
    folder = os.path.join(day.share, "files")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    sums, left, count = [], 2 * 1000 * MIB, 0
    while left > 0:
        data = dice.randbytes(min(left, dice.randrange(1, 64 * MIB)))
        left -= len(data)
        with open(os.path.join(folder, f"{count}"), "wb") as out:
            out.write(data)
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {count}\n")
        count += 1
    with open(os.path.join(day.share, "sums"), "w", encoding="ascii") as out:
        out.writelines(sums)
    with day.debian("bytes") as guest:
        day.log_in(guest)
        with Lap(guest, "2 GB onto the disk"):
            guest.sh("rm -rf /root/files && cp -r /share/files /root/files && sync", 3600)
        with Lap(guest, "2 GB read and summed"):
            guest.sh("echo 3 >/proc/sys/vm/drop_caches; cd /root/files && sha256sum --quiet -c /share/sums", 3600)
        with Lap(guest, "2 GB back to the host"):
            guest.sh("rm -rf /share/back && cp -r /root/files /share/back && rm -rf /root/files && fstrim / && cd", 3600)
        day.log_out(guest)
    for line in sums:
        digest, name = line.split()
        with open(os.path.join(day.share, "back", name), "rb") as data:
            assert hashlib.file_digest(data, "sha256").hexdigest() == digest, name
    shutil.rmtree(os.path.join(day.share, "back"))
    shutil.rmtree(folder)


def disks(day):
    for disk in DISKS:
        # Looked at before it is mounted for writing: by the initrd's own e2fsck, and by this one.
        with day.debian(f"disk-{disk}", "-no-reboot", disk=disk) as guest:
            with Lap(guest, f"boot from {disk}"):
                day.log_in(guest)
            guest.sh("for i in $(seq 40); do head -c 1000000 /dev/urandom >/root/r$i; done; sync; sha256sum /root/r* >/root/sums; echo 3 >/proc/sys/vm/drop_caches; "
                     "sha256sum --quiet -c /root/sums && rm /root/r*", 600)
            guest.sh("d=$(findmnt -no SOURCE /); systemctl stop systemd-journald.socket systemd-journald 2>/dev/null; sync; mount -o remount,ro / && e2fsck -fn $d", 900)
            guest.sh("mount -o remount,rw /")
            day.log_out(guest)


def uefi(day):
    with day.debian("grub", words="init=/bin/bash") as guest:
        day.rescue(guest)
        guest.sh("mount -t devpts pts /dev/pts; ip link set lo up")
        day.connect(guest)
        with Lap(guest, "GRUB by apt"):
            guest.sh("mkfs.vfat -n EFI /dev/vda1 && mkdir -p /boot/efi && mount /dev/vda1 /boot/efi && apt-get update && "
                     "apt-get install -y --no-install-recommends grub-efi-riscv64 && grub-install --removable --no-nvram", 3600)
            guest.sh(rf"""printf 'GRUB_TIMEOUT=1\nGRUB_TERMINAL=console\nGRUB_CMDLINE_LINUX="console=ttyS0 {PATIENT}"\nGRUB_CMDLINE_LINUX_DEFAULT=\n' >/etc/default/grub && update-grub && umount /boot/efi""", 300)
        day.log_out(guest, OFF)
    for name in ("CODE", "VARS"):
        shutil.copy(os.path.join(CACHE, "uefi", f"RISCV_VIRT_{name}.fd"), day.path(f"{name}.fd"))
    for disk in ("virtio-blk-pci", "virtio-blk-device"):
        with day.machine(f"uefi-{disk}", "-machine", "pflash0=code,pflash1=vars,acpi=off", "-blockdev", f"node-name=code,driver=file,read-only=on,filename={day.path('CODE.fd')}",
                         "-blockdev", f"node-name=vars,driver=file,filename={day.path('VARS.fd')}", disk=disk) as guest:
            with Lap(guest, f"EDK2, GRUB, Debian on {disk}"):
                if disk == "virtio-blk-device":     # EDK2 makes no boot option of it
                    guest.wait_for("Shell>", 300)
                    guest.type("FS0:\\EFI\\BOOT\\BOOTRISCV64.EFI\r")
                guest.wait_for("GNU GRUB", 300)
                day.log_in(guest)
            assert "efi" in guest.sh("ls /sys/firmware")
            day.log_out(guest)


def screens(day):
    for card, driver in (("virtio-gpu-pci", "virtio_gpu"), ("bochs-display", "bochs")):
        with day.machine(f"screen-{card}", "-device", card, "-kernel", day.path("share/kernel"), "-initrd", day.path("share/initrd"),
                         "-append", "root=LABEL=root ro console=tty0 console=ttyS0 init=/bin/bash") as guest:
            with Lap(guest, f"a shell, and a console on {card}"):
                day.rescue(guest)
                guest.sh(f"modprobe {driver}; grep -q . /proc/fb && cat /proc/fb", 120)
                guest.sh("for i in $(seq 20); do echo \"$i: the quick brown fox\" >/dev/tty0; done")
            guest.qmp.command("screendump", filename=day.path(f"{card}.png"), format="png")
            picture = day.path(f"{card}.ppm")
            guest.qmp.command("screendump", filename=picture)
            with open(picture, "rb") as f:
                head, size, depth, pixels = f.read().split(b"\n", 3)
            width, height = (int(n) for n in size.split())
            rows = [pixels[y * width * 3:(y + 1) * width * 3] for y in range(height)]
            lit = sum(any(byte > 100 for byte in row) for row in rows)
            print(f"day: {card}: {width}x{height}, {lit} rows with letters: {day.path(card)}.png")
            assert width >= 640 and lit > 150
            day.log_out(guest, OFF)


def installer(day):
    with Guest(day.folder, "-M", "virt", "-m", "1G", "-smp", "2", *FIRMWARE, "-kernel", os.path.join(CACHE, "installer", "linux"),
               "-initrd", os.path.join(CACHE, "installer", "initrd.gz"), "-append", "console=ttyS0 DEBIAN_FRONTEND=text priority=low",
               "-device", "virtio-net-pci,netdev=n0", "-netdev", "user,id=n0", name="installer") as guest:
        with Lap(guest, "debian-installer's menu"):
            guest.wait_for("Execute a shell", 900)
            guest.wait_for("Prompt: ", 60)
        choice = re.findall(rb"(\d+): Execute a shell", guest.console)[-1].decode()
        guest.type(f"{choice}\n")
        guest.wait_for("(?s)Prompt: |Press enter|BusyBox", 120)
        guest.type("\n")
        guest.wait_for("BusyBox|~ # ", 120)
        guest.type("echo $((6 * 7)) answers; grep -c . /etc/lsb-release\n")
        guest.wait_for("42 answers", 60)


STAGES = {"install": install, "work": work, "bytes": bytes_, "disks": disks, "uefi": uefi, "screens": screens, "installer": installer}


def main():
    words = sys.argv[1:]
    folder = os.path.join(CACHE, "day")
    if words[:1] == ["-d"]:
        folder, words = words[1], words[2:]
    if any(word not in STAGES for word in words):
        sys.exit(__doc__)
    day = Day(os.path.abspath(folder))
    for stage in words or STAGES:
        STAGES[stage](day)
    print(f"day: done, {day.archive.served >> 20} MiB of packages")


if __name__ == "__main__":
    main()

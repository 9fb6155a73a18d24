# tests/guests/jits/jits.py - A machine in which Node.js or OpenJDK of Debian runs one of the programs here, for the test and the benchmark.
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
PROGRAMS = {"node": "/usr/bin/node /tmp/program.js", "java": "/usr/lib/jvm/java-21-openjdk-riscv64/bin/java -Xshare:off /tmp/Program.java"}
# Each line that the programs print ends with a sum, the same on every processor, compiled or not.
SUMS = {
    "node": {"primes": "148933", "orbits": "1.639017285,0.962881270,0.548822048,0.672143269,1.226161231", "words": "g:208,a:206,q:204,y:198,m:196",
             "shapes": "516304", "fresh code": "611295", "big numbers": "824063335", "wasm": "3255935936"},
    "java": {"hash": "-4734259764598706818", "map": "-167018382248471", "shapes": "53395003", "matrix": "6220368000", "threads": "5000300000",
             "sort": "-10071441421605413 aaed3f167d33369f", "traps": "3568200"},
}
LINE = r"{} (\d+) {}\r\n"  # name, milliseconds, sum


def arguments(cache, folder, program, turns=1):
    """Options of the machine; what it starts from is below cache (of scripts/fetch-guests) and folder. OpenJDK 21 refuses Sv57."""
    initrd = os.path.join(folder, "jits.gz")
    kernel = os.path.join(cache, "linux-riscv64")
    subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "scripts", "make-initramfs"), f"{kernel}/busybox", initrd, "-m", f"{kernel}/modules", "virtio_blk",
                    "crc32c_generic", "ext4", f"program.js={HERE}/program.js", f"Program.java={HERE}/Program.java"], check=True)
    mounts = "mkdir /r && mount -t ext4 /dev/vda /r && mount -t devtmpfs d /r/dev && mount -t proc p /r/proc && mount -t sysfs s /r/sys && mount -t tmpfs t /r/tmp"
    command = f"{mounts} && cp /program.js /Program.java /r/tmp && chroot /r {PROGRAMS[program]} {turns} | cat"
    return ["-M", "virt", "-m", "2G", "-cpu", "rv64,sv57=off", "-bios", f"{cache}/opensbi/generic/fw_dynamic.bin", "-kernel", f"{kernel}/vmlinuz", "-initrd", initrd,
            "-drive", f"file={cache}/jits/disk.img,format=raw,if=none,id=d,snapshot=on", "-device", "virtio-blk-pci,drive=d",
            "-append", f'console=ttyS0 quiet -- "{command}"']


def copy_cache(cache, folder):
    """What `arguments` names of a cache, for emulators that see only this folder."""
    for path in ("opensbi/generic/fw_dynamic.bin", "linux-riscv64/vmlinuz", "linux-riscv64/busybox", "jits/disk.img"):
        os.makedirs(os.path.dirname(f"{folder}/{path}"), exist_ok=True)
        shutil.copyfile(f"{cache}/{path}", f"{folder}/{path}")
    shutil.copytree(f"{cache}/linux-riscv64/modules", f"{folder}/linux-riscv64/modules", dirs_exist_ok=True)

# tests/functional/test_9p.py - folders of the host in Debian's kernel by 9p, as virtme-ng mounts them.
import hashlib
import os
import shutil
import stat
import subprocess

import pytest

from conftest import PATIENCE, cached

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))
MODULES = ["9p", "9pnet_virtio"]
# virtme-ng 1.41's rootflags
FLAGS = "version=9p2000.L,trans=virtio,access=any,msize=524288"


def make_root(folder):
    """A root file system of busybox, and 400 files to look through."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy(cached("linux-riscv64", "busybox"), folder / "bin" / "busybox")
    (folder / "bin" / "sh").symlink_to("busybox")
    for name in ("tmp", "proc", "many", "data", "dev"):
        (folder / name).mkdir()
    for i in range(400):
        (folder / "many" / f"file-{i}").write_text(f"{i}\n")
    big = os.urandom(3 << 20) * 8
    (folder / "big").write_bytes(big)
    return hashlib.md5(big).hexdigest()


def test_root_and_data(start, linux, firmware, tmp_path):
    """A read-only root to live in (virtme-ng's command line), and a folder for results with owners of its own."""
    root, data = tmp_path / "root", tmp_path / "data"
    checksum = make_root(root)
    data.mkdir()
    script = root / "script"
    script.write_text(r"""#!/bin/sh
/bin/busybox --install -s /tmp 2>/dev/null
PATH=/bin:/tmp
b=/bin/busybox
$b md5sum /big | $b sed 's/^/md5 /'
$b find /many -type f -exec $b cat {} + | $b awk '{s += $1} END {print "sum", s}'
$b touch /new 2>&1 | $b grep -c 'Read-only'
cd /data
$b cp /big copy
$b cmp /big copy && echo same
echo text >f && $b chown 12:34 f && $b chmod 4750 f && $b ln f hard && $b ln -s /bin/sh soft && $b mknod dev b 8 1
$b mkdir d && $b mv f d/moved && $b rm hard && $b mkfifo p
$b stat -c '%n %a %u:%g %F %t,%T' d/moved soft dev p
$b readlink soft
echo more >>d/moved && $b truncate -s 3 d/moved && $b cat d/moved; echo
$b touch -d '2001-02-03 04:05:06' d/moved && $b stat -c %Y d/moved
$b dd if=/big of=sparse bs=1k count=4 seek=1000 conv=notrunc 2>/dev/null; $b stat -c %s sparse
$b rmdir d 2>&1 | $b grep -c 'not empty'
$b stat -f -c "names of %l" /data
$b sync
""")
    script.chmod(0o755)
    machine = start("-m", "1G", "-machine", "virt", "-bios", firmware, "-smp", "2", "-no-reboot", "-parallel", "none", "-net", "none", "-vga", "none",
                    "-fsdev", f"local,id=virtfs3,path={root},security_model=none,readonly=on,multidevs=remap",
                    "-device", "virtio-9p-pci,fsdev=virtfs3,mount_tag=/dev/root",
                    "-virtfs", f"local,path={data},mount_tag=data,security_model=mapped-xattr",
                    *linux("mkdir /r", f"mount -t 9p -o {FLAGS},ro /dev/root /r", f"mount -t 9p -o {FLAGS} data /r/data",
                           "mount -t tmpfs tmp /r/tmp", "mount -t devtmpfs dev /r/dev", "chroot /r /bin/sh /script", "umount /r/data", modules=MODULES))
    machine.wait_for("guest# chroot", 120)
    machine.wait_for("guest: done", 120)
    text = machine.console.decode(errors="replace").split("guest# chroot")[1].replace("\r", "")
    expected = [f"md5 {checksum}  /big", f"sum {sum(range(400))}", "1", "same", "d/moved 4750 12:34 regular file 0,0",
                "soft 777 0:0 symbolic link 0,0", "dev 644 0:0 block special file 8,1", "p 644 0:0 fifo 0,0", "/bin/sh", "tex", "981173106",
                str(1004 * 1024), "1", "names of 255"]
    lines = [line for line in text.split("\n") if line in expected]
    assert lines == expected, text
    assert machine.wait_exit() == 0
    assert not (root / "new").exists()
    assert hashlib.md5((data / "copy").read_bytes()).hexdigest() == checksum
    on_host = os.stat(data / "d" / "moved")
    assert stat.S_IMODE(on_host.st_mode) == 0o600 and on_host.st_uid == os.getuid()
    assert os.getxattr(data / "d" / "moved", "user.virtfs.uid") == (12).to_bytes(4, "little")
    assert (data / "soft").read_text() == "/bin/sh" and not (data / "soft").is_symlink()
    assert stat.S_ISREG(os.stat(data / "dev").st_mode)


@pytest.mark.parametrize("arguments, text", [
    (["-fsdev", "local,id=a,path=."], "security_model= is missing\nnone: files belong to you"),
    (["-fsdev", "local,id=a,path=.,security_model=mapped-xatr"], "it is one of: none, passthrough, mapped-xattr, mapped-file"),
    (["-fsdev", "local,path=.,security_model=none"], "id=NAME is missing"),
    (["-fsdev", "local,id=a,security_model=none"], "path=FOLDER is missing"),
    (["-fsdev", "local,id=a,path=.,security_model=none,fmode=0644"], "fmode and dmode are for security_model=mapped-xattr"),
    (["-fsdev", "local,id=a,path=.,security_model=mapped-file,fmode=9"], "it is an octal number up to 0777"),
    (["-fsdev", "proxy,id=a"], "'proxy' is no kind of shared folder\nwhat there is: local"),
    (["-fsdev", "local,id=a,path=.,security_model=none", "-fsdev", "local,id=a,path=.,security_model=none"], "there is already a shared folder 'a'"),
    (["-fsdev", "local,id=src,path=.,security_model=none", "-device", "virtio-9p-pci,fsdev=scr,mount_tag=t"], "did you mean 'src'?"),
    (["-fsdev", "local,id=a,path=/nonexistent,security_model=none"], "cannot share '/nonexistent': No such file or directory"),  # and no device
    (["-fsdev", "local,id=a,path=/etc/passwd,security_model=none"], "cannot share '/etc/passwd': Not a directory"),
    (["-virtfs", "local,path=.,security_model=none"], "mount_tag=NAME is missing"),
    (["-virtfs", "local,path=/nonexistent,mount_tag=a,security_model=none"], "cannot share '/nonexistent': No such file or directory"),
    (["-virtfs", "local,path=.,mount_tag=a,security_model=none,multidevs=x"], "it is one of: remap, forbid, warn"),
])
def test_mistakes(arguments, text):
    done = subprocess.run([BINARY, "-M", "virt", "-display", "none", "-bios", "none", *arguments], capture_output=True, timeout=60 * PATIENCE,
                          check=False)
    assert done.returncode == 1 and text in done.stderr.decode()


def test_virtiofsd(start, linux, firmware, tmp_path):
    """A folder served by Debian 13's virtiofsd, with the libraries of that release; it ends when the machine does."""
    daemon, libraries = cached("virtiofsd", "virtiofsd"), cached("virtiofsd", "lib")
    shared = tmp_path / "shared"
    shared.mkdir()
    content = os.urandom(3 << 20)
    (shared / "big").write_bytes(content)
    server = subprocess.Popen([os.path.join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries, daemon, f"--socket-path={tmp_path}/fs",
                               f"--shared-dir={shared}", "--sandbox=none"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while b"Waiting for" not in (line := server.stderr.readline()):
            assert line, "virtiofsd ended"
        machine = start("-M", "virt,memory-backend=mem0", "-m", "512M", "-object", "memory-backend-memfd,id=mem0,size=512M", "-smp", "2", "-bios", firmware,
                        "-chardev", f"socket,id=fs,path={tmp_path}/fs", "-device", "vhost-user-fs-pci,chardev=fs,tag=src",
                        *linux("mkdir /m; mount -t virtiofs src /m; md5sum /m/big; cp /m/big /m/copy; mkdir /m/d; mv /m/copy /m/d; umount /m"))
        machine.wait_for(hashlib.md5(content).hexdigest(), 90)
        machine.wait_for("guest: done", 60)
        assert machine.wait_exit() == 0
        server.stderr.read()  # until it ends
        assert server.wait(20 * PATIENCE) == 0
    finally:
        server.kill()
        server.wait()
        server.stderr.close()
    assert (shared / "d" / "copy").read_bytes() == content

# tests/functional/clients/test_virtme.py - virtme-ng on Debian's kernel: 9p root, output, input and exit code by virtserialports.
import base64
import lzma
import os
import re
import shutil
import subprocess

import pytest

from conftest import PATIENCE, ROOT, cached

BINARY = os.path.abspath(os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64")))
MODULES = ["9p", "9pnet", "9pnet_virtio", "netfs"]
pytestmark = pytest.mark.long
SCRIPT = "uname -sm; grep -c processor /proc/cpuinfo; grep -c ' / 9p ' /proc/mounts; echo to the other >&2; cat; exit 7"


def python_of_virtme():
    packages = cached("virtme", "usr", "lib", "python3", "dist-packages")
    for needed in ("argcomplete", "requests"):
        if subprocess.run(["/usr/bin/python3", "-c", f"import {needed}"], stderr=subprocess.DEVNULL, check=False).returncode:
            pytest.skip(f"virtme-ng needs python3-{needed}")
    return packages


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A kernel with its modules as Debian installs them, and a root for the guest: hard links of what fetch-guests unpacked."""
    folder = tmp_path_factory.mktemp("virtme")
    with open(cached("linux-riscv64", "versions"), encoding="ascii") as text:
        version = re.search(r"linux-image-(\S+) ", text.read()).group(1)
    modules = folder / "installed" / "lib" / "modules" / version / "kernel"
    modules.mkdir(parents=True)
    for where, _, names in os.walk(cached("linux-riscv64", "modules")):
        for name in names:
            if name.split(".")[0] in MODULES:
                with open(os.path.join(where, name), "rb") as packed:
                    (modules / f"{name.split('.')[0]}.ko").write_bytes(lzma.decompress(packed.read()))
    (folder / "installed" / "boot").mkdir()
    shutil.copy(cached("linux-riscv64", "vmlinuz"), folder / "installed" / "boot" / f"vmlinuz-{version}")
    shutil.copytree(cached("userland"), folder / "root", symlinks=True, copy_function=link)
    shutil.copy(cached("linux-riscv64", "busybox"), folder / "root" / "usr" / "bin" / "busybox-static")
    (folder / "home").mkdir()
    return folder, folder / "installed" / "boot" / f"vmlinuz-{version}"


def link(source, target):
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def virtme(place, *arguments, stdin=b"", seconds=120):
    folder, kernel = place
    program = "import sys; sys.argv[0] = 'virtme-run'; from virtme.commands.run import main; sys.exit(main())"
    return subprocess.run(["/usr/bin/python3", "-c", program, "--arch", "riscv64", "--qemu-bin", BINARY, "--root", str(folder / "root"), "--mods=auto",
                           "--kimg", str(kernel), "--memory", "1G", "--cpus", "2", "--force-9p", *arguments],
                          input=stdin, capture_output=True, timeout=seconds * PATIENCE, check=False, cwd=folder,
                          env={**os.environ, "PYTHONPATH": python_of_virtme(), "HOME": str(folder / "home"), "TMPDIR": str(folder)})


def answered(done):
    """Everything that SCRIPT says, whichever way the client is told."""
    assert done.returncode == 7 or done.returncode == 0, done
    assert done.stdout == b"Linux riscv64\n2\n1\nwhat was typed\n", done
    assert b"to the other\n" in done.stderr, done


def test_virtme_ng_of_debian(place):
    """The real program: its command line, its initramfs, its init; what the guest reads ends where our input ends."""
    done = virtme(place, "--script-sh", SCRIPT, stdin=b"what was typed\n")
    answered(done)
    assert done.returncode == 7


def test_the_command_line_of_virtme_ng_1_41(place, tmp_path):
    """Word for word but for paths. The initramfs comes from Debian's older version: 9p is a module of its kernel."""
    folder, kernel = place
    made = virtme(place, "--script-sh", "true", "--dry-run", "--save-initramfs", str(tmp_path / "initrd"))
    assert made.returncode == 0 and (tmp_path / "initrd").stat().st_size > 1000000, made
    guest = os.path.join(python_of_virtme(), "virtme", "guest")
    (tmp_path / "cache").mkdir()

    def folder_of_host(number, path, tag, readonly):
        return ["-fsdev", f"local,id=virtfs{number},path={path},security_model=none{',readonly=on' if readonly else ''},multidevs=remap",
                "-device", f"virtio-9p-pci,fsdev=virtfs{number},mount_tag={tag}"]

    def port(name, chardev):
        return ["-chardev", chardev.format(name), "-device", "virtio-serial-pci", "-device", f"virtserialport,name=virtme.{name},chardev={name}"]

    script = base64.b64encode(SCRIPT.encode()).decode()
    append = (f"nr_open=1048576 virtme_root_mods=1 virtme_console=ttyS0 console=ttyS0 earlycon=sbi quiet loglevel=0 panic=-1 virtme.exec=`{script}` "
              "rootfstype=9p rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288 raid=noautodetect ro init=/bin/sh -- -c "
              '"mount -t tmpfs run /run;mkdir -p /run/virtme/guesttools;/bin/mount -n -t 9p -o ro,version=9p2000.L,trans=virtio,access=any,msize=524288 '
              'virtme.guesttools /run/virtme/guesttools;exec /run/virtme/guesttools/virtme-init"')
    command = [BINARY, "-m", "1G", *folder_of_host(3, folder / "root", "/dev/root", True), *folder_of_host(7, tmp_path / "cache", "virtme.cache", False),
               *folder_of_host(11, guest, "virtme.guesttools", True), "-machine", "virt", "-bios", "default", "-parallel", "none", "-net", "none", "-smp", "2",
               "-vga", "none", "-display", "none", "-serial", "chardev:console", "-chardev", "file,id=console,path=/dev/null",
               *port("stdin", "stdio,id={},signal=on,mux=off"), *port("stdout", "file,id={},path=/proc/self/fd/1"),
               *port("stderr", "file,id={},path=/proc/self/fd/2"), *port("dev_stdout", "file,id={},path=/proc/self/fd/1"),
               *port("dev_stderr", "file,id={},path=/proc/self/fd/2"), *port("ret", f"file,id={{}},path={tmp_path}/ret"),
               "-no-reboot", "-kernel", str(kernel), "-append", append, "-initrd", str(tmp_path / "initrd")]
    done = subprocess.run(command, input=b"what was typed\n", capture_output=True, timeout=120 * PATIENCE, check=False)
    answered(done)
    assert done.returncode == 0 and (tmp_path / "ret").read_text() == "7\n"

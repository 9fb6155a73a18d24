# tests/bench/machine.py - What a machine costs its host: start, memory, boot, idling. Driven by QMP and the serial line.
"""Rows are (name, value, unit).  Used by tests/bench/run; as a program: machine.py BUILD COMMAND..."""
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.environ.get("MYNAH_CACHE", os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "mynah"))
RAM_MIB = 1024


class Emulator:
    """A running emulator with QMP on an inherited socket: no name in a file system that both sides must see."""

    def __init__(self, command, *arguments, console=False):
        self.socket, theirs = socket.socketpair()
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            [*command, *arguments, "-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE if console else subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()])
        theirs.close()
        self.socket.settimeout(60)
        self.lines = self.socket.makefile("rw")
        self.lines.readline()
        self.qmp("qmp_capabilities")

    def qmp(self, name, **arguments):
        self.lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.lines.flush()
        while True:
            answer = json.loads(self.lines.readline())
            if "return" in answer or "error" in answer:
                return answer.get("return")

    def wait_for(self, marker, seconds=120):
        os.set_blocking(self.process.stdout.fileno(), False)
        seen, end = b"", time.monotonic() + seconds
        while marker not in seen:
            if time.monotonic() > end:
                raise TimeoutError(f"no {marker} in {seen[-400:]}")
            seen += self.process.stdout.read() or b""
            time.sleep(0.002)

    def cpu(self):
        """CPU seconds of all threads so far: the clock of another process (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def status(self, field):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(rf"{field}:\s+(\d+)", f.read()).group(1)) / 1024

    def beside_ram(self):
        """MiB of proportional memory less the mapping that is the guest's RAM: the largest one that holds it."""
        with open(f"/proc/{self.process.pid}/smaps") as f:
            mappings = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", f.read())
        sizes = [(int(re.search(r"\nSize:\s+(\d+)", m).group(1)), int(re.search(r"\nPss:\s+(\d+)", m).group(1))) for m in mappings]
        ram = max((pss for size, pss in sizes if size >= RAM_MIB * 1024), default=0)
        return (sum(pss for _, pss in sizes) - ram) / 1024

    def quit(self):
        """Asks it to go; wall seconds since the start."""
        self.qmp("quit")
        self.process.wait(30)
        wall = time.monotonic() - self.start
        self.close()
        return wall

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        if self.process.stdout:
            self.process.stdout.close()
        self.lines.close()
        self.socket.close()


def start_none(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    emulator = Emulator(command, "-M", "none", "-display", "none", "-nodefaults")
    rss = emulator.status("VmRSS")
    wall = emulator.quit()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    yield "start -M none to quit", round(wall * 1e3, 2), "ms"
    yield "start -M none to quit, CPU", round(cpu * 1e3, 2), "ms"
    yield "VmRSS of -M none", round(rss, 2), "MiB"


def idle_guest(command, harts, folder):
    kernel = os.path.join(CACHE, "linux-riscv64", "vmlinuz")
    initrd = os.path.join(folder, "initramfs.gz")
    subprocess.run([os.path.join(ROOT, "scripts", "make-initramfs"), os.path.join(CACHE, "linux-riscv64", "busybox"), initrd], check=True)
    emulator = Emulator(command, "-M", "virt", "-m", str(RAM_MIB), "-smp", str(harts), "-display", "none", "-serial", "stdio", "-monitor", "none",
                        "-bios", os.path.join(CACHE, "opensbi", "generic", "fw_dynamic.bin"), "-kernel", kernel, "-initrd", initrd,
                        "-append", "console=ttyS0 quiet", console=True)
    try:
        emulator.wait_for(b"guest: ready")
        yield f"boot to shell, {harts} harts, CPU", round(emulator.cpu(), 3), "s"
        yield f"boot to shell, {harts} harts", round(time.monotonic() - emulator.start, 3), "s"
        time.sleep(5)
        yield f"idle, {harts} harts: memory beside guest RAM", round(emulator.beside_ram(), 1), "MiB"
        cpu, wall = emulator.cpu(), time.monotonic()
        time.sleep(5)
        yield f"idle, {harts} harts: host CPU", round(100 * (emulator.cpu() - cpu) / (time.monotonic() - wall), 2), "%"
    finally:
        emulator.close()


def after_compiling(command):
    """Memory when a compiler of Debian has just run in the guest."""
    folder = os.path.join(os.environ["BENCH_DIR"], "riscv64")
    emulator = Emulator(command, "-M", "virt", "-m", str(RAM_MIB), "-display", "none", "-serial", "stdio", "-monitor", "none", "-nodefaults",
                        "-kernel", os.path.join(folder, "kernel"), "-initrd", os.path.join(folder, "initrd.gz"),
                        "-append", "console=ttyS0 quiet panic=-1 mode=apps run=gcc_O2 reps=2",
                        "-drive", f"file={os.path.join(folder, 'apps.img')},format=raw,if=virtio,snapshot=on", console=True)
    try:
        emulator.wait_for(b"END gcc_O2 1")
        yield "after compiling: memory beside guest RAM", round(emulator.beside_ram(), 1), "MiB"
    finally:
        emulator.close()


def events(command, kernel):
    """What MMU events and traps cost: rows of a bare guest."""
    run = subprocess.run([*command, "-M", "virt", "-m", "64M", "-display", "none", "-monitor", "none", "-serial", "stdio", "-bios", "none", "-kernel", kernel],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True)
    for name, ns in (line.split("\t") for line in run.stdout.splitlines() if "\t" in line):
        yield name, float(ns), "ns"


def measure(command, build):
    """Rows of one repetition.  Start-up is short: the median of several starts is one measurement."""
    starts = [list(start_none(command)) for _ in range(9)]
    for i, (name, _, unit) in enumerate(starts[0]):
        values = sorted(start[i][1] for start in starts)
        yield name, values[len(values) // 2], unit
    if os.path.exists(os.path.join(CACHE, "linux-riscv64", "vmlinuz")):
        # Below /tmp: a peer in a chroot can be given that folder.
        with tempfile.TemporaryDirectory() as folder:
            for harts in (1, 4):
                yield from idle_guest(command, harts, folder)
            kernel = shutil.copy(os.path.join(build, "tests", "bench", "mmu.elf"), folder)
            yield from events(command, kernel)
    if os.path.exists(os.path.join(os.environ.get("BENCH_DIR", ""), "riscv64", "apps.img")):
        yield from after_compiling(command)


if __name__ == "__main__":
    for row in measure(sys.argv[2:], sys.argv[1]):
        print(*row, sep="\t", flush=True)

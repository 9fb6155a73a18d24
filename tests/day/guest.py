# tests/day/guest.py - One emulator whose guest is driven over its serial line: a command, its output, its status.
import os
import re
import subprocess
import time

from conftest import CACHE, ROOT, Machine

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(AssertionError):
    pass


class Guest(Machine):
    """`sh` waits for the end of each command by a marker; what the guest's serial line says goes to FOLDER/NAME.log."""

    def __init__(self, folder, *arguments, name="guest", **options):
        self.count = 0
        self.log = open(os.path.join(folder, f"{name}.log"), "wb", buffering=0)
        super().__init__(folder, *[str(a) for a in arguments], **options)

    def pump(self, seconds):
        before = len(self.console)
        alive = super().pump(seconds)
        self.log.write(self.console[before:])
        return alive

    def close(self):
        super().close()
        self.log.close()

    def sh(self, command, seconds=60, check=True):
        """What the command printed. Its status has to be 0."""
        self.count += 1
        begin, end = f"<{self.count}:", f":{self.count}>"
        # The guest's shell puts the markers together: the echo of what is typed does not hold them. On one line: what follows would be read by the command.
        self.type(f"echo '<''{self.count}:'; {{ {command}; }} </dev/null; echo ':'$?':{self.count}''>'\n")
        self.wait_for(re.escape(begin) + r"\r*\n", 60)
        start = self.seen
        match = self.wait_for(rf":(\d+){end}", seconds)
        text = self.console[start:match.start()].decode(errors="replace").replace("\r", "")
        if check and int(match.group(1)):
            raise Failed(f"{command!r} ended with status {int(match.group(1))}:\n{text[-3000:]}")
        return text

    def cpu(self):
        """Seconds of CPU time that the emulator has used."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self):
        """Largest resident size so far, MiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) >> 10


class Lap:
    """`with Lap(guest, name):` prints what a stage cost: CPU time of the emulator, time of day, memory at its largest."""

    def __init__(self, guest, name):
        self.guest, self.name = guest, name

    def __enter__(self):
        self.cpu, self.wall = self.guest.cpu(), time.monotonic()

    def __exit__(self, kind, *unused):
        if kind is None:
            print(f"day: {self.name:32} {self.guest.cpu() - self.cpu:7.1f} s of CPU, {time.monotonic() - self.wall:6.0f} s, {self.guest.memory()} MiB", flush=True)


def initramfs(out, *modules):
    """A busybox that loads the modules and starts a shell."""
    subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "scripts", "make-initramfs"), os.path.join(CACHE, "linux-riscv64", "busybox"), str(out),
                    "-m", os.path.join(CACHE, "linux-riscv64", "modules"), *modules], check=True)
    return out

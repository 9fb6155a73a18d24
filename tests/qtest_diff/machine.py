# tests/qtest_diff/machine.py - one machine under qtest, Mynah's or another emulator's, as probes see it.
import os
import socket
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "functional"))
from qtest import Qtest  # noqa: E402

RAM = 0x80000000


def start(binary, *arguments):
    """-qtest stdio over a socket pair: works behind chroot, too."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([binary, "-accel", "qtest", "-qtest", "stdio", "-display", "none", "-monitor", "none", "-serial", "none", "-m", "64M",
                                "-nodefaults", "-rtc", "base=2020-01-01T00:00:00,clock=vm", *arguments], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE)
    theirs.close()
    return Qtest(ours, process, deadline=60)


class Seen(dict):
    """What a probe has seen: name -> value. Numbers are written in hexadecimal."""

    def put(self, name, value, digits=8):
        self[name] = value if isinstance(value, str) else f"0x{value:0{digits}x}"


def observe(binary, probe):
    """Runs one probe on one emulator; an emulator that does not start gives one observation."""
    seen = Seen()
    q = None
    try:
        with start(binary, *probe.arguments) as q:
            probe.look(q, seen)
    except (EOFError, OSError):
        error = q.process.stderr.read().decode(errors="replace").strip() if q else ""
        seen.put("error", error.splitlines()[-1].split(": ", 1)[-1] if error else "ended")
    finally:
        if q:
            q.process.stderr.close()
    return seen


class Probe:
    def __init__(self, name, arguments, look):
        self.name, self.arguments, self.look = name, ["-M", "virt", *arguments] if "-M" not in arguments else arguments, look

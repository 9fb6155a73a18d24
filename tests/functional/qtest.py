# tests/functional/qtest.py - client of the text protocol of device tests (-accel qtest -qtest unix:PATH).
"""    with Qtest.start(folder, "-M", "virt") as q:
        q.writel(0x101000, 1)
        q.clock_step(1_000_000)
        assert q.interrupts == {11: True}
"""
import base64
import os
import socket
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Failed(RuntimeError):
    """The machine answered FAIL."""


class Qtest:
    def __init__(self, connection, process=None, deadline=20):
        self.socket, self.process = connection, process
        self.socket.settimeout(deadline * float(os.environ.get("MYNAH_PATIENCE", "1")))
        self.stream = self.socket.makefile("rwb")
        self.interrupts = {}  # number -> level, of what irq_intercept_in or _out taps

    @classmethod
    def start(cls, folder, *arguments, binary=None):
        """Runs the emulator, which connects to a socket of ours."""
        path = os.path.join(str(folder), "qtest")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(20)
        binary = binary or os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))
        process = subprocess.Popen([binary, "-accel", "qtest", "-qtest", f"unix:{path}", "-display", "none", "-monitor", "none",
                                    "-serial", "none", *arguments], stdin=subprocess.DEVNULL)
        try:
            connection, _ = listener.accept()
        except OSError:
            process.kill()
            process.wait()
            raise
        finally:
            listener.close()
            os.unlink(path)
        return cls(connection, process)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()
        if self.process:
            self.process.kill()
            self.process.wait()

    def command(self, *words):
        """The words after OK."""
        self.stream.write((" ".join(str(w) for w in words) + "\n").encode())
        self.stream.flush()
        while True:
            answer = self.stream.readline().decode().split()
            if not answer:
                raise EOFError("the machine closed the connection")
            if answer[0] == "OK":
                return answer[1:]
            if answer[0] == "IRQ":
                self.interrupts[int(answer[2])] = answer[1] == "raise"
            else:
                raise Failed(" ".join(answer[1:]))

    def _read(self, letter, address):
        return int(self.command(f"read{letter}", hex(address))[0], 16)

    def readb(self, address):
        return self._read("b", address)

    def readw(self, address):
        return self._read("w", address)

    def readl(self, address):
        return self._read("l", address)

    def readq(self, address):
        return self._read("q", address)

    def writeb(self, address, value):
        self.command("writeb", hex(address), hex(value))

    def writew(self, address, value):
        self.command("writew", hex(address), hex(value))

    def writel(self, address, value):
        self.command("writel", hex(address), hex(value))

    def writeq(self, address, value):
        self.command("writeq", hex(address), hex(value))

    def read(self, address, size):
        return base64.b64decode(self.command("b64read", hex(address), size)[0]) if size else b""

    def write(self, address, data):
        if data:
            self.command("b64write", hex(address), len(data), base64.b64encode(data).decode())

    def memset(self, address, size, value):
        self.command("memset", hex(address), size, value)

    def clock_step(self, ns=None):
        """The new time; without ns as far as the next timer."""
        return int(self.command("clock_step", *([] if ns is None else [ns]))[0])

    def clock_set(self, ns):
        return int(self.command("clock_set", ns)[0])

    def irq_intercept_in(self, path):
        self.command("irq_intercept_in", path)

    def set_irq_in(self, path, number, level, name="unnamed-gpio-in"):
        self.command("set_irq_in", path, name, number, int(level))

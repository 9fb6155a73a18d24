# tests/functional/conftest.py - Starts the real binary and talks to it over serial line and QMP, always with a deadline.
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.environ.get("MYNAH_CACHE", os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "mynah"))
# Slow machines and sanitizers stretch every deadline.
PATIENCE = float(os.environ.get("MYNAH_PATIENCE", "1"))


def pytest_configure(config):
    config.addinivalue_line("markers", "long: campaigns of make check-long")
    config.addinivalue_line("markers", "hostile: long ones that want a build with sanitizers")


class Timeout(AssertionError):
    pass


def user_time(pid):
    """Seconds of user time so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")


def thread_states(pid):
    """One letter a thread: R it runs or would like to, S it sleeps."""
    states = ""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="ascii") as file:
            states += file.read().rpartition(")")[2].split()[0]
    return states


class Qmp:
    """A QMP client on a connected socket.  Events that pass by are kept in order."""

    def __init__(self, path, deadline):
        self.events = []
        self.buffer = b""
        end = time.monotonic() + deadline
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > end:
                    raise Timeout(f"nobody listens on {path}")
                time.sleep(0.02)
        self.greeting = self.read(end)
        self.command("qmp_capabilities")

    def read(self, end):
        """The next JSON object, which the server ends with a newline."""
        while b"\n" not in self.buffer:
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                raise Timeout("no answer by QMP")
            if not data:
                raise EOFError("QMP connection closed")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def command(self, name, /, deadline=20, **arguments):
        """The return value; raises RuntimeError with the class and text of an error."""
        request = {"execute": name, "arguments": arguments} if arguments else {"execute": name}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        end = time.monotonic() + deadline * PATIENCE
        while True:
            answer = self.read(end)
            if "event" in answer:
                self.events.append(answer)
            elif "error" in answer:
                raise RuntimeError(f"{answer['error']['class']}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def event(self, name, deadline=20):
        """Waits for an event, also among those that came before; takes it and everything older away."""
        end = time.monotonic() + deadline * PATIENCE
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name:
                    del self.events[: i + 1]
                    return event
            answer = self.read(end)
            if "event" in answer:
                self.events.append(answer)


def wait_unlocked(path, deadline=30):
    """Until nobody has locks on a file. The kernel lets go of those of a killed process some time after it is gone, with its io_uring."""
    inode = os.stat(path).st_ino
    end = time.monotonic() + deadline * PATIENCE
    while True:
        with open("/proc/locks", encoding="ascii") as locks:
            if not any(f":{inode} " in line for line in locks):
                return
        if time.monotonic() > end:
            raise Timeout(f"somebody has locks on {path}")
        time.sleep(0.01)


class Machine:
    """One running emulator.  `console` collects everything the guest's serial line and stderr print."""

    def __init__(self, folder, *arguments, qmp=False, serial=True):
        self.binary = os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))
        self.folder = str(folder)
        self.qmp_path = os.path.join(self.folder, "qmp")
        command = [self.binary, *arguments]
        if serial:
            command += ["-display", "none", "-monitor", "none", "-serial", "stdio"]
        if qmp:
            command += ["-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        self.command = command
        self.console = b""
        self.seen = 0
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        cwd=self.folder)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.qmp = None
        if qmp:
            try:
                self.qmp = Qmp(self.qmp_path, 10 * PATIENCE)
            except BaseException as error:
                self.pump(0.2)
                pid = self.process.pid
                how = f"threads {thread_states(pid)}, {user_time(pid)} s of CPU" if self.process.poll() is None else f"ended, {self.process.returncode}"
                self.close()
                raise Timeout(f"{error}: {how}; console: {self.tail()}") from error

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def pump(self, seconds):
        """Reads what is there, waiting at most `seconds`; False at the end of the stream."""
        if not self.selector.select(seconds):
            return True
        data = self.process.stdout.read(65536)
        if data:
            self.console += data
        return data is None or bool(data)

    def wait_for(self, pattern, deadline=60):
        """Waits until the console shows the regular expression after the last match; returns the match."""
        regex = re.compile(pattern.encode() if isinstance(pattern, str) else pattern)
        end = time.monotonic() + deadline * PATIENCE
        alive = True
        while True:
            match = regex.search(self.console, self.seen)
            if match:
                self.seen = match.end()
                return match
            if not alive or time.monotonic() > end:
                why = "ended" if not alive else "out of time"
                raise Timeout(f"{why} before {pattern!r}; console: ...{self.tail()}\ncommand: {' '.join(self.command)}")
            alive = self.pump(min(0.5, max(0.0, end - time.monotonic())))

    def tail(self):
        return self.console[-3000:].decode(errors="replace")

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_exit(self, deadline=30):
        """Exit status of the emulator, which must end by itself."""
        end = time.monotonic() + deadline * PATIENCE
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise Timeout(f"still running; console: ...{self.tail()}")
            if not self.pump(0.1):
                time.sleep(0.01)
        while self.pump(0) and self.selector.select(0):
            pass
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.selector.close()
        self.process.stdin.close()
        self.process.stdout.close()
        if self.qmp:
            self.qmp.socket.close()


@pytest.fixture
def start(tmp_path):
    """start(*arguments, qmp=False) runs an emulator that is killed at the end of the test."""
    machines = []

    def launch(*arguments, **options):
        machine = Machine(tmp_path, *[str(a) for a in arguments], **options)
        machines.append(machine)
        return machine

    yield launch
    for machine in machines:
        machine.close()


def bare_program(name):
    """A program of tests/jit."""
    path = os.path.join(os.path.dirname(os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah"))), "tests", "jit", name + ".elf")
    if not os.path.exists(path):
        pytest.skip("the bare-metal programs were not built (no cross compiler)")
    return path


def cached(*path):
    """A file of scripts/fetch-guests; without it (no network) the test is skipped."""
    full = os.path.join(CACHE, *path)
    if not os.path.exists(full):
        pytest.skip(f"scripts/fetch-guests did not fetch {'/'.join(path)}")
    return full


@pytest.fixture(scope="session")
def firmware():
    return cached("opensbi", "generic", "fw_dynamic.bin")


@pytest.fixture(scope="session")
def linux(tmp_path_factory):
    """Arguments that boot Debian's kernel; each word given is a shell command, then the guest powers off. modules: names."""
    kernel, busybox = cached("linux-riscv64", "vmlinuz"), cached("linux-riscv64", "busybox")
    folder = tmp_path_factory.mktemp("linux")
    initrds = {}

    def initrd_with(modules):
        if modules not in initrds:
            initrds[modules] = str(folder / f"initramfs{len(initrds)}.gz")
            wanted = ["-m", cached("linux-riscv64", "modules"), *modules] if modules else []
            subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "scripts", "make-initramfs"), busybox, initrds[modules], *wanted], check=True)
        return initrds[modules]

    def arguments(*commands, modules=()):
        initrd = initrd_with(tuple(modules))
        words = " ".join(f'"{c}"' for c in commands)
        return ["-kernel", kernel, "-initrd", initrd, "-append", f"console=ttyS0 quiet --{' ' if words else ''}{words}".removesuffix(" --")]

    return arguments


@pytest.fixture
def busy_host():
    """Something else has every processor of the host for as long as the test runs: two processes for each."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * os.cpu_count())]
    yield
    for other in others:
        other.kill()
        other.wait()


@pytest.fixture(scope="session")
def hello():
    for build in (os.path.dirname(os.path.realpath(os.environ.get("MYNAH", ""))), os.path.join(ROOT, "build-check"), os.path.join(ROOT, "build")):
        path = os.path.join(build, "tests", "guests", "hello.elf")
        if os.path.exists(path):
            return path
    pytest.skip("no riscv64-linux-gnu-gcc built tests/guests/hello.elf")

# tests/bench/transfer.py - What moving data costs the host: disks, networks, conversion of images. Rows as of machine.py.
"""Disks and networks need the harness (HARNESS, BENCH_DIR): its guest reads, writes and fetches.  IMG_PEER: command of the other qemu-img."""
import http.server
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import threading
import time

MIB = 1 << 20


def guest(command, mode, arguments, **env):
    """CPU seconds of what the guest did, by name."""
    run = subprocess.run([os.path.join(os.environ["HARNESS"], "run.sh"), "riscv64", *command, *arguments], capture_output=True, text=True,
                         check=False, env={**os.environ, "REPS": "1", "MODE": mode, **env})
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    if run.returncode:
        raise RuntimeError(run.stderr.strip())
    return {row[0]: float(row[3]) for row in rows if len(row) == 5 and row[0].startswith(mode)}


def image(size):
    """A file of random bytes where a peer in a chroot sees it too."""
    fd, path = tempfile.mkstemp(dir=os.environ["BENCH_DIR"], suffix=".img")
    with os.fdopen(fd, "wb") as f:
        for _ in range(size // MIB):
            f.write(os.urandom(MIB))
    return path


def disks(command):
    path = image(512 * MIB)
    try:
        for device in ("virtio-blk-pci", "nvme,serial=x"):
            name = device.partition(",")[0]
            for what, seconds in guest(command, "disk", ["-drive", f"file={path},if=none,id=d,format=raw", "-device", f"{device},drive=d"]).items():
                yield f"{name}: {what}, CPU", seconds, "s"
    finally:
        os.unlink(path)


class Zeros(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(1024 * MIB))
        self.end_headers()
        block = bytes(MIB)
        for _ in range(1024):
            self.wfile.write(block)

    def log_message(self, *unused):
        pass


def user_network(command):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Zeros)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"url=http://10.0.2.2:{server.server_address[1]}/"
    try:
        for what, seconds in guest(command, "net", ["-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n"], APPEND=url).items():
            yield f"user network: {what} of 1 GiB, CPU", seconds, "s"
    finally:
        server.shutdown()
        server.server_close()


# The emulator in a network of its own: a tap, and behind it a server, which goes when the emulator does.
TAP = """#!/bin/sh
exec unshare -rn sh -e -c '
ip link set lo up
ip tuntap add tap0 mode tap
ip addr add 10.0.2.2/24 dev tap0
ip link set tap0 up
{server} &
exec {emulator} "$@"' sh "$@"
"""
TAP_PORT = 8000


def serve_tap():
    emulator = os.getppid()
    server = http.server.ThreadingHTTPServer(("10.0.2.2", TAP_PORT), Zeros)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while os.getppid() == emulator:
        time.sleep(0.2)


def tap(command):
    if subprocess.run(["unshare", "-rn", "ip", "tuntap", "add", "tap0", "mode", "tap"], capture_output=True, check=False).returncode:
        print("tap: this host lets nobody make a network namespace with a tap: left out", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        wrapper = os.path.join(folder, "emulator")
        with open(wrapper, "w") as f:
            f.write(TAP.format(server=shlex.join([sys.executable, os.path.abspath(__file__), "serve-tap"]), emulator=shlex.join(command)))
        os.chmod(wrapper, 0o755)
        network = ["-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no,vhost=off", "-device", "virtio-net-pci,netdev=n"]
        for what, seconds in guest([wrapper], "net", network, APPEND=f"url=http://10.0.2.2:{TAP_PORT}/").items():
            yield f"tap: {what} of 1 GiB, CPU", seconds, "s"


def convert(img):
    """CPU seconds of raw -> qcow2 and back."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        raw, qcow2, back = (os.path.join(folder, name) for name in ("raw", "qcow2", "back"))
        with open(raw, "wb") as f:
            for _ in range(256):
                f.write(os.urandom(MIB))
        for name, words in (("raw to qcow2", ["-f", "raw", "-O", "qcow2", raw, qcow2]), ("qcow2 to raw", ["-f", "qcow2", "-O", "raw", qcow2, back])):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*img, "convert", *words], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            yield f"convert 256 MiB, {name}, CPU", round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3), "s"


def measure(command, name):
    if "HARNESS" in os.environ:
        yield from disks(command)
        yield from user_network(command)
        yield from tap(command)
    img = shlex.split(os.environ.get("IMG_PEER", "")) if name == "peer" else [os.path.join(os.path.dirname(command[0]), "tools", "mynah-img")]
    if img:
        yield from convert(img)


if __name__ == "__main__" and sys.argv[1:] == ["serve-tap"]:
    serve_tap()

# tests/functional/test_qmp_hostile.py - 10,000 hostile QMP packets at the running machine: no crash, no hang, still usable.
import json
import os
import random
import socket
import time

from conftest import PATIENCE, Qmp

PACKETS = 10000
WORDS = ["/machine", "/machine/soc0/harts[0]", "type", "max", "rv64", "virt", "info registers -a", "x/20i $pc", "xp /99xg 0x80000000",
         "p ((1", "log help", "null", "ringbuf", "id0", "out", "\u0000", "\ud7ff", "x" * 300, "full", "utf8", "pause", "reset"]


def value(rng, depth=0):
    kind = rng.randrange(8 if depth < 5 else 5)
    if kind == 0:
        return rng.choice([0, -1, 1, 2**31, 2**63 - 1, 2**64, 1.5, 1e300])
    if kind in (1, 2, 3):
        return rng.choice(WORDS)
    if kind == 4:
        return rng.choice([True, False, None])
    if kind == 5:
        return [value(rng, depth + 1) for _ in range(rng.randrange(3))]
    return {rng.choice(WORDS): value(rng, depth + 1) for _ in range(rng.randrange(3))}


def arguments(rng, schema, command):
    """Members as the schema has them, mostly, with values of any kind."""
    members = schema[schema[command]["arg-type"]]["members"]
    out = {m["name"]: value(rng) for m in members if "default" not in m or rng.random() < 0.5}
    if rng.random() < 0.1:
        out[rng.choice(WORDS)] = value(rng)
    return out


def packet(rng, schema, commands):
    kind = rng.randrange(10)
    if kind == 0:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
    if kind == 1:
        return json.dumps(value(rng)).encode()
    command = rng.choice(commands)
    text = bytearray(json.dumps({"execute": command, "arguments": arguments(rng, schema, command), "id": value(rng)}).encode())
    if kind == 2:
        text[rng.randrange(len(text))] = rng.randrange(256)
    if kind == 3:
        del text[rng.randrange(len(text)):]
    return bytes(text)


def drain(sock):
    try:
        while sock.recv(1 << 20):
            pass
    except BlockingIOError:
        pass


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20 * PATIENCE)
    sock.connect(path)
    sock.sendall(b'{"execute":"qmp_capabilities"}\n')
    return sock


def test_random_packets(start, tmp_path):
    seed = int(os.environ.get("MYNAH_SEED", time.time()))
    print("MYNAH_SEED", seed)
    rng = random.Random(seed)
    machine = start("-M", "virt", "-bios", "none", "-m", "64", "-smp", "2", "-chardev", "ringbuf,id=id0", qmp=True)
    schema = {entry["name"]: entry for entry in machine.qmp.command("query-qmp-schema")}
    commands = [c["name"] for c in machine.qmp.command("query-commands") if c["name"] not in ("quit", "memsave", "pmemsave")]
    machine.qmp.socket.close()
    os.mkdir(tmp_path / "files")
    for _ in range(10):
        sock = connect(machine.qmp_path)
        for _ in range(PACKETS // 10):
            sock.sendall(packet(rng, schema, commands) + rng.choice([b"\n", b"", b" "]))
            sock.setblocking(False)
            drain(sock)
            sock.settimeout(20 * PATIENCE)
        sock.close()
        assert machine.process.poll() is None, machine.tail()
    machine.qmp = Qmp(machine.qmp_path, 20 * PATIENCE)
    assert "status" in machine.qmp.command("query-status")
    machine.qmp.command("quit")
    assert machine.wait_exit() == 0

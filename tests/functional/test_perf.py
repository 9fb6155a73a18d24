# tests/functional/test_perf.py - what -perfmap and -jitdump tell Linux's perf about generated code.
import os
import re
import struct
import time


def test_perf_files(start, tmp_path):
    machine = start("-M", "virt", "-bios", "none", "-perfmap", "-jitdump", qmp=True)
    pid = machine.process.pid
    end = time.monotonic() + 20
    while int(re.search(r"(\d+) translated", machine.qmp.command("x-query-jit")["human-readable-text"])[1]) == 0:
        assert time.monotonic() < end
        time.sleep(0.02)
    machine.qmp.command("quit")
    assert machine.wait_exit() == 0
    path = f"/tmp/perf-{pid}.map"
    try:
        with open(path, encoding="ascii") as lines:
            rows = [line.split() for line in lines]
    finally:
        os.unlink(path)
    assert rows[0][2] == "riscv64:0x1000" and all(int(row[0], 16) and int(row[1], 16) for row in rows)
    dump = (tmp_path / f"jit-{pid}.dump").read_bytes()
    magic, version, at = struct.unpack_from("<III", dump)
    assert (magic, version) == (0x4A695444, 1)
    for index, row in enumerate(rows):
        kind, size = struct.unpack_from("<II", dump, at)
        code, code_size, number = struct.unpack_from("<QQQ", dump, at + 32)
        assert (kind, code, code_size, number) == (0, int(row[0], 16), int(row[1], 16), index)
        assert dump[at + 56:].startswith(row[2].encode() + b"\0")
        at += size
    assert at == len(dump)

# tests/functional/test_perf.py - what -perfmap and -jitdump tell Linux's perf about generated code.
import os
import re
import struct
import subprocess
import time

from conftest import PATIENCE, ROOT


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


def test_listing_without_capstone(tmp_path):
    """The disassembler's library is loaded when a listing is asked for, and only then may it be missing."""
    with open(os.path.realpath(os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64"))), "rb") as f:
        program = f.read()
    assert b"libcapstone.so." in program
    copy = tmp_path / "mynah-system-riscv64"
    copy.write_bytes(program.replace(b"libcapstone.so.", b"libcapstone.no."))
    copy.chmod(0o755)
    run = subprocess.run([copy, "-M", "virt", "-display", "none", "-bios", "none", "-d", "out_asm"], capture_output=True, text=True,
                         stdin=subprocess.DEVNULL, timeout=60 * PATIENCE, check=False)
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert "-d out_asm: listings of host code need capstone: cannot load the library: libcapstone.no." in run.stderr
    assert subprocess.run([copy, "-version"], capture_output=True, check=False).returncode == 0

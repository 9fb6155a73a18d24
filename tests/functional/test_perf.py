# tests/functional/test_perf.py - what -perfmap and -jitdump tell Linux's perf about generated code.
import os
import re
import struct
import subprocess
import time

import pytest

from conftest import PATIENCE, ROOT

MYNAH = os.path.abspath(os.environ.get("MYNAH", os.path.join(ROOT, "build", "mynah-system-riscv64")))


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


@pytest.mark.parametrize("option, name, put, why", [
    ("-perfmap", "/tmp/perf-{}.map", os.symlink, "it is a link"),
    ("-jitdump", "jit-{}.dump", os.symlink, "it is a link"),
    ("-jitdump", "jit-{}.dump", os.link, "it is there, and is no file of that name alone"),
    ("-jitdump", "jit-{}.dump", lambda victim, path: os.mkfifo(path), "it is there, and is no file of that name alone"),
], ids=["map", "link", "hard link", "pipe"])
def test_what_lies_in_the_way_is_not_written_over(tmp_path, option, name, put, why):
    """Another process can guess both names before they are there."""
    victim = tmp_path / "victim"
    victim.write_text("dear to somebody")
    with subprocess.Popen([MYNAH, "-M", "virt", "-display", "none", "-bios", "none", "-S", option], stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, cwd=tmp_path,
                          preexec_fn=lambda: put(victim, os.path.join(tmp_path, name.format(os.getpid())))) as program:
        name = name.format(program.pid)
        try:
            said = program.communicate(timeout=60 * PATIENCE)[1]
        finally:
            program.kill()
            os.unlink(tmp_path / name)
    assert program.returncode == 1 and said.endswith(f": -accel tcg: cannot write '{name}': {why}\n") and said.count("\n") == 1
    assert victim.read_text() == "dear to somebody"


@pytest.mark.skipif(os.geteuid() != 0, reason="a file of another user's takes root to make")
def test_a_file_of_another_user_is_not_written_over(tmp_path):
    def put():
        path = tmp_path / f"jit-{os.getpid()}.dump"
        path.write_text("dear to somebody")
        os.chown(path, 12345, 12345)

    with subprocess.Popen([MYNAH, "-M", "virt", "-display", "none", "-bios", "none", "-S", "-jitdump"], stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, cwd=tmp_path, preexec_fn=put) as program:
        try:
            said = program.communicate(timeout=60 * PATIENCE)[1]
        finally:
            program.kill()
    assert program.returncode == 1 and f"cannot write 'jit-{program.pid}.dump': it belongs to another user" in said
    assert (tmp_path / f"jit-{program.pid}.dump").read_text() == "dear to somebody"


def test_listing_without_capstone(tmp_path):
    """The disassembler's library is loaded when a listing is asked for, and only then may it be missing."""
    with open(MYNAH, "rb") as f:
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

# tests/functional/test_io_reopen.py - mynah-io: reopen, a snapshot that is forgotten, statistics for machines, images that are only read.
import re
import subprocess

import pytest

from images import IMG, IO, run


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "base.qcow2", "1M")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-B", "qcow2", "a.qcow2")


def io(*commands, options=(), name="a.qcow2"):
    """Exit status, what was said, what was complained of."""
    words = [word for command in commands for word in ("-c", command)]
    result = subprocess.run([IO, *options, *words, name], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    return result.returncode, result.stdout, result.stderr


def test_to_and_fro():
    assert io("write -q 0 512", "reopen -r", "write 0 512") == (1, "", "mynah-io: Block node is read-only\n")
    assert io("reopen -r", "reopen -w", "write -q -P 7 0 512", "reopen -c none", "read -q -P 7 0 512", "reopen -c writeback", "reopen -c unsafe",
              "write -q -P 8 512 512", "reopen -r", "read -q -P 7 0 512", "read -q -P 8 512 512") == (0, "", "")
    assert io("reopen -o lazy-refcounts=on", "reopen -o cache.direct=on,cache.no-flush=off", "read -q -P 7 0 512", "reopen -o read-only=on", "reopen",
              "read -q -P 7 0 512") == (0, "", "")
    run(IMG, "check", "a.qcow2")


def test_two_may_look_at_what_is_only_read():
    """Locks follow: a writer is in the way of another one, and no more when it reads only."""
    with subprocess.Popen([IO, "a.qcow2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as first:
        def say(line):
            first.stdin.write(line + "\nlength\n")
            first.stdin.flush()
            return first.stdout.readline()

        assert say("") == "1 MiB\n"
        assert io("write -q 0 512")[0] == 1
        assert say("reopen -r") == "1 MiB\n"
        assert io("read -q 0 512", options=("-r",)) == (0, "", "")
        first.stdin.close()


@pytest.mark.parametrize("command,words", [
    ("reopen -c foo", "Invalid cache option: foo"),
    ("reopen -o frob=on", "Cannot change the option 'frob'"),
    ("reopen -o node-name=x", "Cannot change the option 'node-name'"),
    ("reopen -o file.locking=off", "Cannot change the option 'locking'"),
    ("reopen -r -w", "Only one -r/-w option may be given"),
    ("reopen -r -o read-only=on", "Cannot set both -r/-w and 'read-only'"),
    ("reopen -c none -o cache.direct=on", "Cannot set both -c and the cache options"),
])
def test_refused(command, words):
    assert io(command, "write -q 0 512") == (1, "", f"mynah-io: {words}\n")


def test_a_snapshot_is_forgotten(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = (tmp_path / "a.qcow2").read_bytes()
    assert io("write -q -P 3 0 64k", "read -q -P 3 0 64k", options=("-s",)) == (0, "", "")
    assert io("close", "open -s a.qcow2", "write -q -P 3 0 64k", "read -q -P 3 0 64k", "close", "open -r a.qcow2", "read -q -P 0 0 64k") == (0, "", "")
    assert (tmp_path / "a.qcow2").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.qcow2", "base.qcow2"]
    assert io("write 0 512", options=("-s", "-r")) == (1, "", "mynah-io: Block node is read-only\n")


@pytest.mark.parametrize("command,size", [("read -C 0 64k", 65536), ("write -C 0 4k", 4096), ("discard -C 0 64k", 65536), ("readv -C 0 512 512", 1024)])
def test_statistics(command, size):
    status, out, _ = io(command)
    assert status == 0 and re.fullmatch(rf"{size},1,0:00:0\d\.\d\d,\d+\.\d{{3}},\d+\.\d{{3}}\n", out), out


def test_copy_on_read_needs_a_writer():
    assert io("read 0 512", options=("-C", "-r"))[2] == "mynah-io: can't open device a.qcow2: Can't use copy-on-read on read-only device\n"

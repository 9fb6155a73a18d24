# tests/functional/test_image_faults.py - what the tools do when images cannot be read or written, or lie about themselves; no copy of it gets lost in silence.
import json
import os
import pathlib
import struct
import subprocess

import pytest

from images import IMG, IO, QEMU_IO, check, needs_qemu, run

MIB = 1 << 20


def attempt(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def debug(path, driver="qcow2", **rules):
    """The image above a filter that makes requests fail."""
    below = {"driver": "blkdebug", "image": {"driver": "file", "filename": str(path)}}
    return "json:" + json.dumps({"driver": driver, "file": below | {name.replace("_", "-"): rule for name, rule in rules.items()}})


def failing(kind, place):
    """Requests of a kind that touch the place in the file."""
    return [{"event": "none", "iotype": kind, "sector": place // 512, "errno": 28, "immediately": True}]


def new(path, size="1M"):
    """One whose file need not grow."""
    run(IMG, "create", "-q", "-f", "qcow2", path, size)
    os.truncate(path, 4 * MIB)


def field(path, at, size=8):
    return int.from_bytes(pathlib.Path(path).read_bytes()[at:at + size], "big")


def test_convert_fails_where_tables_cannot_be_written(tmp_path, monkeypatch):
    """The default target cache has no flush: the tables go to the host at the end all the same, and what it says counts."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("a.raw").write_bytes(bytes([7]) * MIB)
    new("b.qcow2")
    result = attempt(IMG, "convert", "-n", "-f", "raw", "-O", "qcow2", "a.raw", debug("b.qcow2", inject_error=failing("write", field("b.qcow2", 40))))
    assert result.returncode == 1 and "Error while writing to the image: No space left on device" in result.stderr, result


def test_what_closing_cannot_write_is_a_failure(tmp_path, monkeypatch):
    """Counts that fall are written at the very end."""
    monkeypatch.chdir(tmp_path)
    new("a.qcow2")
    run(IO, "-c", "write -q 0 64k", "a.qcow2")
    block = field("a.qcow2", field("a.qcow2", 48))
    result = attempt(IO, "-d", "unmap", "-c", "discard -q 0 64k", debug("a.qcow2", inject_error=failing("write", block)))
    assert result.returncode == 1 and "cannot write the metadata of 'a.qcow2': No space left on device" in result.stderr, result


@pytest.mark.parametrize("mode,status", [("writeback", 0), ("writethrough", 1)])
def test_writing_through_flushes_each_write(mode, status, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new("a.qcow2")
    rules = [{"event": "flush_to_disk", "errno": 28, "once": True}]
    result = attempt(IO, "-t", mode, "-c", "write 0 512", debug("a.qcow2", inject_error=rules))
    assert ("write failed: No space left on device" in result.stdout) == bool(status), result


def test_salvaging_loses_one_sector(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = bytes([5]) * (2 * MIB)
    pathlib.Path("a.raw").write_bytes(content)
    result = attempt(IMG, "convert", "--salvage", "-O", "raw", debug("a.raw", "raw", inject_error=failing("read", 3000 * 512)), "b.raw")
    assert result.returncode == 0 and result.stderr.count("\n") == 1 and "error while reading offset 1536000" in result.stderr, result
    assert pathlib.Path("b.raw").read_bytes() == content[:3000 * 512] + bytes(512) + content[3001 * 512:]


THROTTLE = ["--object", "throttle-group,id=g,x-bps-total=1000000000"]


@pytest.mark.parametrize("objects,below", [
    (THROTTLE, {"driver": "throttle", "throttle-group": "g"}), ([], {"driver": "raw"}), ([], {"driver": "copy-on-read"}),
], ids=lambda value: value["driver"] if isinstance(value, dict) else "")
def test_images_grow_through_filters(objects, below, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = {"driver": "file", "filename": "a.qcow2"}
    run(IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "64M")
    run(IO, *objects, "-c", "write -q -P 1 0 1M", "-c", "write -q -P 2 63M 1M", "json:" + json.dumps({"driver": "qcow2", "file": below | {"file": file}}))
    run(IO, "-c", "read -q -P 1 0 1M", "-c", "read -q -P 2 63M 1M", "a.qcow2")
    run(IMG, "check", "-q", "a.qcow2")


def test_disks_and_windows_do_not_grow(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "64M")
    window = {"driver": "raw", "size": os.stat("a.qcow2").st_size // 512 * 512, "file": {"driver": "file", "filename": "a.qcow2"}}
    result = attempt(IO, "-c", "write 0 1M", "json:" + json.dumps({"driver": "qcow2", "file": window}))
    assert result.returncode == 1 and "write failed: Input/output error" in result.stdout, result


@pytest.mark.parametrize("raw", ["on", "off"])
def test_data_files_give_storage_back(raw, tmp_path, monkeypatch):
    """What is discarded or zeroed is no more in the data file, and one that is raw says what the image says."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "-o", f"data_file=d.raw,data_file_raw={raw}", "d.qcow2", "1M")
    run(IO, "-d", "unmap", "-c", "write -q -P 7 0 1M", "-c", "discard -q 0 256k", "-c", "write -q -z -u 512k 256k", "-c", "write -q -P 8 64k 64k", "d.qcow2")
    run(IO, "-c", "read -q -P 0 0 64k", "-c", "read -q -P 8 64k 64k", "-c", "read -q -P 0 128k 128k", "-c", "read -q -P 7 256k 256k",
        "-c", "read -q -P 0 512k 256k", "-c", "read -q -P 7 768k 256k", "d.qcow2")
    assert os.stat("d.raw").st_blocks * 512 <= 640 << 10
    run(IMG, "compare", "-f", "raw", "-F", "qcow2", "d.raw", "d.qcow2")
    run(IMG, "check", "-q", "d.qcow2")
    run(IMG, "resize", "-q", "--shrink", "d.qcow2", "896k")
    run(IMG, "resize", "-q", "d.qcow2", "1M")
    run(IMG, "compare", "-f", "raw", "-F", "qcow2", "d.raw", "d.qcow2")


def test_tables_that_go_take_no_data_with_them(tmp_path, monkeypatch):
    """A larger disk needs a larger table: the place of the one before is free in the image, and is something else in the data file."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "-o", "data_file=d.raw", "a.qcow2", "1M")
    run(IO, "-c", "write -q -P 7 0 1M", "a.qcow2")
    run(IO, "-d", "unmap", "-c", "truncate 4G", "-c", "flush", "a.qcow2")
    run(IO, "-r", "-c", "read -q -P 7 0 1M", "a.qcow2")


def test_a_new_image_empties_its_data_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("d.raw").write_bytes(bytes([6]) * MIB)
    run(IMG, "create", "-q", "zeros.raw", "1M")
    run(IMG, "convert", "-f", "raw", "-O", "qcow2", "-o", "data_file=d.raw,data_file_raw=on", "zeros.raw", "d.qcow2")
    assert pathlib.Path("d.raw").read_bytes() == bytes(MIB)


def test_a_bitmap_that_claims_too_much_goes(tmp_path, monkeypatch):
    """Its table would take half of the file, which is large and has nothing in it."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    run(IMG, "bitmap", "--add", "a.qcow2", "b0")
    image = pathlib.Path("a.qcow2").read_bytes()
    at = image.index(struct.pack(">II", 0x23852875, 24)) + 8
    directory = int.from_bytes(image[at + 16:at + 24], "big")
    with open("a.qcow2", "r+b") as file:
        file.seek(directory + 8)
        file.write(bytes([255]) * 4)
        file.truncate(64 << 30)
    run(IMG, "bitmap", "--remove", "a.qcow2", "b0")
    assert "b0" not in run(IMG, "info", "a.qcow2")


@pytest.mark.parametrize("maker", ["amend", "lazy"])
def test_a_lost_block_of_counts_costs_no_data(maker, tmp_path, monkeypatch):
    """Where blocks of counts lie elsewhere than what they count, there is data in the first cluster of a block that the table does not name any more."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "-o", "cluster_size=512,lazy_refcounts=on", "a.qcow2", "1M")
    run(IO, "-c", "write -q -P 0x5a 0 1M", "a.qcow2")
    run(IMG, "amend", "-o", "refcount_bits=32", "a.qcow2")
    with open("a.qcow2", "r+b") as file:
        file.seek(field("a.qcow2", 48) + 3 * 8)
        file.write(bytes(8))
        file.seek(72)
        file.write((maker == "lazy").to_bytes(8, "big")) # as a crash leaves it: mended when it is opened
    if maker == "lazy":
        run(IO, "-c", "write -q -P 0x5b 0 512", "-c", "write -q -P 0x5a 0 512", "a.qcow2")
    else:
        run(IMG, "check", "-q", "-r", "all", "a.qcow2")
    run(IO, "-r", "-c", "read -q -P 0x5a 0 1M", "a.qcow2")
    run(IMG, "check", "-q", "a.qcow2")


def test_a_lost_block_of_counts_gets_a_place_that_is_free(tmp_path, monkeypatch):
    """Not all counts are made anew for it, behind the end of what may be a device."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", "a.qcow2", "1M")
    run(IO, "-c", "write -q -P 0x5a 0 1M", "a.qcow2")
    size = os.path.getsize("a.qcow2")
    with open("a.qcow2", "r+b") as file:
        file.seek(field("a.qcow2", 48) + 3 * 8)
        file.write(bytes(8))
    result = attempt(IMG, "check", "-r", "all", "a.qcow2")
    assert result.returncode == 0 and "Rebuilding" not in result.stderr and os.path.getsize("a.qcow2") == size, result
    run(IO, "-r", "-c", "read -q -P 0x5a 0 1M", "a.qcow2")
    run(IMG, "check", "-q", "a.qcow2")


@pytest.mark.parametrize("arguments,words", [
    (["-b", "top.qcow2", "-F", "qcow2", "top.qcow2"], "Trying to create an image with the same filename as the backing file"),
    (["-b", "./top.qcow2", "-F", "qcow2", "-u", "file:top.qcow2", "1M"], "Trying to create an image with the same filename as the backing file"),
    (["-b", "top.qcow2", "-F", "qcow2", "base.qcow2"], "the backing file 'top.qcow2' needs what is there"),
])
def test_a_new_image_does_not_empty_what_it_stands_on(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "base.qcow2", "1M")
    run(IO, "-c", "write -q -P 7 0 64k", "base.qcow2")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2")
    result = attempt(IMG, "create", "-q", "-f", "qcow2", *arguments)
    assert result.returncode == 1 and words in result.stderr, result
    run(IO, "-r", "-c", "read -q -P 7 0 64k", "top.qcow2")


@pytest.mark.parametrize("mode", ["metadata", "falloc", "full"])
def test_preallocated_clusters_read_as_zeros(mode, tmp_path, monkeypatch):
    """Also where there was something before."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "8M")
    run(IO, "-c", "write -q -P 0x5a 0 8M", "a.qcow2")
    run(IMG, "resize", "-q", "--shrink", "a.qcow2", "1M")
    run(IMG, "resize", "-q", f"--preallocation={mode}", "a.qcow2", "16M")
    run(IO, "-r", "-c", "read -q -P 0x5a 0 1M", "-c", "read -q -P 0 1M 15M", "a.qcow2")
    run(IMG, "check", "a.qcow2")


@needs_qemu
def test_version_2_is_preallocated_without_what_it_does_not_know(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "base.qcow2", "2M")
    run(IO, "-c", "write -q -P 7 0 2M", "base.qcow2")
    run(IMG, "create", "-q", "-f", "qcow2", "-o", "compat=v2", "-b", "base.qcow2", "-F", "qcow2", "a.qcow2", "1M")
    run(IMG, "resize", "-q", "--preallocation=metadata", "a.qcow2", "4M")
    for program in (IO, QEMU_IO):
        run(program, "-r", "-c", "read -q -P 7 0 1M", "-c", "read -q -P 0 1M 3M", "a.qcow2")
    check("a.qcow2")


def test_bitmaps_that_cannot_be_kept_cost_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new("a.qcow2")
    run(IMG, "bitmap", "--add", "-g", "4096", "a.qcow2", "b")
    run(IO, "-c", "write -q 0 64k", "a.qcow2")
    table = next(at for at in range(0, 4 * MIB, 65536) if field("a.qcow2", at + 24, 1) == ord("b")) # the directory
    bits = field("a.qcow2", field("a.qcow2", table))
    result = attempt(IO, "-d", "unmap", "-c", "discard -q 0 64k", debug("a.qcow2", inject_error=failing("write", bits)))
    assert result.returncode == 1 and "cannot write the metadata of 'a.qcow2': No space left on device" in result.stderr, result
    run(IMG, "check", "a.qcow2")
    assert "in-use" in run(IMG, "info", "a.qcow2")


def test_options_are_refused_before_a_data_file_is_emptied(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("d.raw").write_bytes(bytes([7]) * 512)
    for option in ("cluster_size=3000", "compat=v2", "refcount_bits=3"):
        result = attempt(IMG, "create", "-q", "-f", "qcow2", "-o", f"data_file=d.raw,{option}", "a.qcow2", "1M")
        assert result.returncode == 1 and pathlib.Path("d.raw").read_bytes() == bytes([7]) * 512, result


@pytest.mark.parametrize("command", [[IO, "-c", "write -q 0 512"], [IMG, "resize", "-q"], [IMG, "snapshot", "-c", "s"]], ids=["write", "resize", "snapshot"])
def test_what_is_said_to_be_read_only_is_not_written(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new("a.qcow2")
    before = pathlib.Path("a.qcow2").read_bytes()
    name = "json:" + json.dumps({"driver": "qcow2", "read-only": True, "file": {"driver": "file", "filename": "a.qcow2"}})
    result = attempt(*command, name, *(["2M"] if "resize" in command else []))
    assert result.returncode == 1 and "Block node is read-only" in result.stderr and pathlib.Path("a.qcow2").read_bytes() == before, result


@pytest.mark.parametrize("name", ["json:[1]", 'json:"a.qcow2"', "json:[{}]"])
def test_a_name_that_is_no_object(name, start, tmp_path, monkeypatch):
    """As a command line has it, as an image has it, and as a client of QMP has it."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "-u", "-b", name, "-F", "qcow2", "a.qcow2", "1M")
    for image in (name, "a.qcow2"):
        result = attempt(IO, "-r", "-c", "read 0 512", image)
        assert result.returncode == 1 and "Invalid JSON object given" in result.stderr, result
    machine = start("-M", "virt", "-display", "none", "-S", "-nodefaults", "-bios", "none", "-drive", "if=none,id=d0", qmp=True)
    with pytest.raises(RuntimeError, match="Invalid JSON object given"):
        machine.qmp.command("blockdev-change-medium", device="d0", filename=name)
    machine.qmp.command("quit")
    assert machine.wait_exit() == 0


@pytest.mark.parametrize("command", [["convert", "-U", "-O", "qcow2", "a.qcow2", "a.qcow2"], ["convert", "-U", "top.qcow2", "a.qcow2"],
                                     ["dd", "-U", "-O", "qcow2", "if=a.qcow2", "of=./a.qcow2"]], ids=["convert", "chain", "dd"])
def test_nothing_is_made_in_the_place_of_what_is_read(command, tmp_path, monkeypatch):
    """Locks keep it, but for who does not want any."""
    monkeypatch.chdir(tmp_path)
    new("a.qcow2")
    run(IO, "-c", "write -q -P 7 0 64k", "a.qcow2")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "a.qcow2", "-F", "qcow2", "top.qcow2")
    result = attempt(IMG, *command)
    assert result.returncode == 1 and "in the place of one that is read" in result.stderr, result
    run(IO, "-r", "-c", "read -q -P 7 0 64k", "a.qcow2")


def test_a_count_of_any_size_is_mended(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "-o", "refcount_bits=64", "a.qcow2", "1M")
    run(IO, "-c", "write -q 0 64k", "a.qcow2")
    with open("a.qcow2", "r+b") as file:
        file.seek(field("a.qcow2", field("a.qcow2", 48)) + 5 * 8)
        file.write(b"\xff" * 8)
    run(IMG, "check", "-q", "-r", "all", "a.qcow2")
    run(IMG, "check", "-q", "a.qcow2")

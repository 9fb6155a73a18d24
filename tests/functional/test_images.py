# tests/functional/test_images.py - disk images between mynah-img and Debian's qemu-img: content, checks, listings, both ways.
"""Seeded random walks; MYNAH_SEEDS=FIRST,COUNT chooses others. Without qemu-utils they are skipped.

QEMU_IMG and QEMU_IO name the tools of another QEMU than this machine's: beside 11.1 listings are compared to the letter."""
import json
import os
import pathlib
import random
import re
import resource
import subprocess
import time

import pytest

from images import IMG, IO, QEMU_IMG, QEMU_IO, answer, check, listing, needs_qemu, run, settle

FIRST, COUNT = (int(n) for n in os.environ.get("MYNAH_SEEDS", "1,3").split(","))
SEEDS = [*range(FIRST, FIRST + COUNT), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1000, 1060))]


def same(one, two, one_format="qcow2", two_format="qcow2", tool=None):
    run(tool or QEMU_IMG, "compare", "-f", one_format, "-F", two_format, one, two)


def random_options(rand, refcounts=(16, 32, 64)):
    cluster = rand.choice([512, 4096, 65536, 65536, 2 << 20])
    options = [f"cluster_size={cluster}"]
    if rand.random() < .2:
        return [*options, "compat=0.10"]
    options.append(f"refcount_bits={rand.choice(refcounts)}")
    if rand.random() < .3:
        options.append("lazy_refcounts=on")
    if cluster >= 16384 and rand.random() < .5:
        options.append("extended_l2=on")
    options.append("compression_type=" + rand.choice(["zlib", "zstd"]))
    return options


def random_writes(rand, path, size, count):
    commands = []
    for _ in range(count):
        offset = rand.randrange(0, size // 512) * 512
        length = min(size - offset, rand.choice([512, 4096, 70144, 300 * 1024]))
        kind = rand.choice([f"write -q -P {rand.randrange(1, 256)}"] * 4 + ["write -q -z", "write -q -zu"])
        commands += ["-c", f"{kind} {offset} {length}"]
    run(rand.choice([IO, QEMU_IO]), *commands, path)


def requests(rand, model):
    """Commands for mynah-io, and what they make of the model."""
    size, commands = len(model), []
    for _ in range(rand.randrange(1, 40)):
        offset = rand.randrange(0, size)
        length = min(size - offset, rand.choice([1, 300, 512, 4096, 5000, 65536, 200000, 1 << 20]))
        pattern, kind = rand.randrange(1, 256), rand.random()
        if kind < .55:
            commands += [f"{rand.choice(['aio_write', 'write'])} -q -P {pattern} {offset} {length}", "aio_flush"]
            model[offset:offset + length] = bytes([pattern]) * length
        elif kind < .75:
            offset = offset // 512 * 512
            length = min(size - offset, (length + 511) // 512 * 512)
            commands.append(f"write -q -z {rand.choice(['', '-u'])} {offset} {length}")
            model[offset:offset + length] = bytes(length)
        else:
            commands.append("flush" if kind < .85 else f"read -q {offset} {length}")
    return [word for command in commands for word in ("-c", command)]


@needs_qemu
@pytest.mark.parametrize("seed", SEEDS)
def test_requests_against_a_model(seed, tmp_path, monkeypatch):
    """What mynah-io writes is what qemu-img reads, with backing files, preallocation, data files and snapshots."""
    monkeypatch.chdir(tmp_path)
    rand = random.Random(seed)
    size = rand.choice([1 << 20, 3 * (1 << 20) + 512, 10 << 20])
    options, model = random_options(rand, (1, 2, 4, 8, 16, 32, 64)), bytearray(size)
    backing = rand.random() < .5
    if "compat=0.10" not in options and rand.random() < .2:
        options.append("data_file=d.raw" + ("" if backing else ",data_file_raw=on"))
    if rand.random() < .3 and (not backing or "extended_l2=on" in options):
        options.append("preallocation=" + rand.choice(["metadata", "falloc", "full"]))
    create = [rand.choice([IMG, QEMU_IMG]), "create", "-q", "-f", "qcow2", "-o", ",".join(options)]
    if backing:
        length = rand.choice([size, size // 2 // 512 * 512])
        run(QEMU_IMG, "create", "-q", "-f", "qcow2", "b.qcow2", str(length))
        run(QEMU_IO, "-c", f"write -q -P 7 0 {length // 2}", "b.qcow2")
        model[:length // 2] = b"\x07" * (length // 2)
        create += ["-b", "b.qcow2", "-F", "qcow2"]
    run(*create, "t.qcow2", str(size))
    for turn in range(3):
        run(IO, "-d", "unmap", *requests(rand, model), "t.qcow2")
        check("t.qcow2")
        (tmp_path / "m.raw").write_bytes(model)
        same("t.qcow2", "m.raw", "qcow2", "raw")
        same("t.qcow2", "m.raw", "qcow2", "raw", tool=IMG)
        if rand.random() < .5 and "data_file" not in " ".join(options):
            run(IMG, "snapshot", "-c", f"s{turn}", "t.qcow2", ok=(0, 1))  # 1: the counts are too narrow


@needs_qemu
@pytest.mark.parametrize("seed", SEEDS)
def test_images_both_ways(seed, tmp_path, monkeypatch):
    """convert, map, info, check, measure: the other program sees the same, and says the same."""
    monkeypatch.chdir(tmp_path)
    rand = random.Random(seed)
    size = rand.choice([1 << 20, 3 * (1 << 20) + 512, 10 << 20])
    run(rand.choice([IMG, QEMU_IMG]), "create", "-q", "-f", "qcow2", "-o", ",".join(random_options(rand)), "a.qcow2", str(size))
    random_writes(rand, "a.qcow2", size, 12)
    options = ",".join(random_options(rand))
    packed = ["-c"] if rand.random() < .5 else []
    run(IMG, "convert", "-O", "qcow2", *packed, *rand.choice([[], ["-W"]]), "-m", str(rand.choice([1, 3, 8])), "-S", rand.choice(["4k", "0", "64k"]),
        "-o", options, "a.qcow2", "b.qcow2")
    check("b.qcow2")
    same("a.qcow2", "b.qcow2")
    run(QEMU_IMG, "convert", "-O", "qcow2", *packed, "-o", options, "a.qcow2", "q.qcow2")
    run(IMG, "convert", "-O", "raw", "q.qcow2", "q.raw")
    same("a.qcow2", "q.raw", "qcow2", "raw", tool=rand.choice([IMG, QEMU_IMG]))
    assert listing("info", "q.qcow2") == run(QEMU_IMG, "info", "q.qcow2")
    for path in ("a.qcow2", "b.qcow2", "q.qcow2", "q.raw"):
        settle(path)
        for command in (["info", "--output=json"], ["check", "--output=json"]):
            mine, theirs = (run(tool, *command, path, ok=(0, 63)) for tool in (IMG, QEMU_IMG))
            assert answer(mine) == answer(theirs), (command, path)
        for command in (["map", "--output=json"], ["measure", "-O", "qcow2"], ["measure", "-O", "raw"]):
            assert listing(*command, path) == run(QEMU_IMG, *command, path), (command, path)


def test_info_shows_the_nodes_below(tmp_path, monkeypatch):
    """As 11.1 lays it out, in text and JSON."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    run(IMG, "create", "-q", "r.raw", "1M")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "../r.raw", "-B", "raw", "sub/a.qcow2")
    run(IMG, "snapshot", "--create", "one", "sub/a.qcow2")
    text = re.sub(r"disk size: .*", "disk size: D", run(IMG, "info", "--backing-chain", "sub/a.qcow2"))
    text = re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", "20YY-MM-DD hh:mm:ss", text)
    assert text == """image: sub/a.qcow2
file format: qcow2
virtual size: 1 MiB (1048576 bytes)
disk size: D
cluster_size: 65536
backing file: ../r.raw (actual path: sub/../r.raw)
backing file format: raw
Snapshot list:
ID      TAG               VM_SIZE                DATE        VM_CLOCK     ICOUNT
1       one                   0 B 20YY-MM-DD hh:mm:ss  0000:00:00.000         --
Format specific information:
    compat: 1.1
    compression type: zlib
    lazy refcounts: false
    refcount bits: 16
    corrupt: false
    extended l2: false
Child node '/file':
    filename: sub/a.qcow2
    protocol type: file
    file length: 320 KiB (328192 bytes)
    disk size: D

image: sub/../r.raw
file format: raw
virtual size: 1 MiB (1048576 bytes)
disk size: D
Child node '/file':
    filename: sub/../r.raw
    protocol type: file
    file length: 1 MiB (1048576 bytes)
    disk size: D
"""
    above, below = json.loads(run(IMG, "info", "--backing-chain", "--output=json", "sub/a.qcow2"))
    child = above["children"][0]
    assert child["name"] == "file" and child["info"]["format"] == "file" and child["info"]["virtual-size"] == 328192
    assert child["info"]["children"] == [] and child["info"]["format-specific"] == {"type": "file", "data": {}}
    assert below["children"][0]["info"]["filename"] == "sub/../r.raw"
    nested = run(IMG, "info", "--image-opts", "driver=raw,file.driver=raw,file.file.driver=file,file.file.filename=r.raw")
    assert "Child node '/file':\n    image: r.raw\n    file format: raw" in nested and "\n    Child node '/file/file':\n        filename: r.raw\n" in nested


def test_map_tells_compression_and_short_backing_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "short.qcow2", "1M")
    run(IO, "-c", "write -q -c 0 64k", "short.qcow2")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "short.qcow2", "-F", "qcow2", "middle.qcow2", "2M")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", "long.qcow2", "3M")
    seen = [(e["start"], e["depth"], e["present"], e["zero"], e["compressed"]) for e in json.loads(run(IMG, "map", "--output=json", "long.qcow2"))]
    assert seen == [(0, 2, True, False, True), (65536, 2, False, True, False), (1 << 20, 1, False, True, False), (2 << 20, 0, False, True, False)]
    assert json.loads(run(IMG, "map", "--output=json", "-s", "8M", "long.qcow2"))[0]["length"] == 0


def test_commit_past_the_end_of_what_lies_between(tmp_path, monkeypatch):
    """Behind the end of a short image in the middle there are zeros, whatever the base has there."""
    monkeypatch.chdir(tmp_path)
    for command in (["-f", "qcow2", "base.qcow2", "3M"], ["-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "middle.qcow2", "1M"],
                    ["-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", "top.qcow2", "3M"]):
        run(IMG, "create", "-q", *command)
    run(IO, "-c", "write -q -P 7 0 3M", "base.qcow2")
    run(IMG, "commit", "-q", "-b", "base.qcow2", "top.qcow2")
    run(IO, "-c", "read -q -P 7 0 1M", "-c", "read -q -P 0 1M 2M", "base.qcow2")


def test_rates_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("a.raw").write_bytes(random.Random(3).randbytes(2 << 20))
    start = time.monotonic()
    run(IMG, "convert", "-f", "raw", "-r", "4M", "-O", "qcow2", "a.raw", "b.qcow2")
    assert time.monotonic() - start > .4


def test_rebase_compresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "base.qcow2", "1M")
    run(IO, "-c", "write -q -P 5 0 200k", "base.qcow2")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2")
    run(IMG, "rebase", "-c", "-b", "", "top.qcow2")
    run(IO, "-c", "read -q -P 5 0 200k", "-c", "read -q -P 0 200k 824k", "top.qcow2")
    assert json.loads(run(IMG, "map", "--output=json", "top.qcow2"))[0] == {"start": 0, "length": 262144, "depth": 0, "present": True, "zero": False, "data": True,
                                                                           "compressed": True}
    run(IMG, "rebase", "-u", "-b", "base.qcow2", "-B", "qcow2", "top.qcow2")
    assert "backing file: base.qcow2" in run(IMG, "info", "top.qcow2")
    run(IMG, "rebase", "-u", "top.qcow2")
    assert "backing file" not in run(IMG, "info", "top.qcow2")


def test_a_file_as_a_format(tmp_path, monkeypatch):
    """Its bytes, whatever they look like: QEMU makes images that stand on such, and opens them."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "base.qcow2", "1M")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "file", "top.qcow2")
    for image in (["top.qcow2"], ["-f", "file", "base.qcow2"]):
        run(IO, "-r", "-c", "read -q -P 0x51 0 1", "-c", "read -q -P 0x46 1 1", *image)
    assert "file format: file\n" in run(IMG, "info", "-f", "file", "base.qcow2")


def test_rebase_of_options_looks_beside_the_image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("sub")
    for name in ("base", "top"):
        run(IMG, "create", "-q", "-f", "qcow2", f"sub/{name}.qcow2", "1M")
    run(IMG, "rebase", "--image-opts", "driver=qcow2,file.driver=file,file.filename=sub/top.qcow2", "-b", "base.qcow2", "-B", "qcow2")
    assert "backing file: base.qcow2 (actual path: sub/base.qcow2)" in run(IMG, "info", "sub/top.qcow2")


def test_guests_cannot_change_what_is_guessed(tmp_path, monkeypatch):
    """A raw disk whose format nobody gave does not become an image with a backing file of the guest's choice."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/hostname", "-F", "raw", "evil.qcow2", "1M")
    for name, format, status in (("a.raw", [], 1), ("b.raw", ["-f", "raw"], 0)):
        run(IMG, "create", "-q", name, "1M")
        run(IO, *format, "-c", "write -q -P 7 0 64k", "-c", "write -q -z 0 4k", name)
        for command in ("write -q -s evil.qcow2 0 64k", "write -q -s evil.qcow2 0 8"):
            done = subprocess.run([IO, *format, "-c", command, name], capture_output=True, text=True, timeout=60, check=False)
            assert (done.returncode, done.stdout) == (status, "" if not status else "write failed: Operation not permitted\n")
        assert json.loads(run(IMG, "info", "-U", "--output=json", name))["format"] == ("raw" if status else "qcow2")


def allocated(path):
    return [(e["start"], e["length"], e["zero"]) for e in json.loads(run(IMG, "map", "--output=json", path)) if e["depth"] == 0 and e["present"]]


FILTER = "driver=copy-on-read,file.driver=qcow2,file.file.driver=file,file.file.filename=top.qcow2"


@pytest.mark.parametrize("how", [["-C", "top.qcow2"], ["--image-opts", FILTER]], ids=["flag", "filter"])
def test_what_is_read_stays(how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "base.qcow2", "1M")
    run(IO, "-c", "write -q -P 7 0 256k", "base.qcow2")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2", "1234k")
    run(IO, "-c", "write -q -P 8 60k 1k", "-c", "flush", *how)
    assert allocated("top.qcow2") == [(0, 65536, False)]
    commands = ["read -q -P 7 0 60k", "read -q -P 8 60k 1k", "read -q -P 7 130k 3k", "read -q -P 0 600k 300", "read -q -P 0 1233k 1k"]
    run(IO, *[word for command in commands for word in ("-c", command)], *how)
    assert allocated("top.qcow2") == [(0, 65536, False), (131072, 65536, False), (589824, 65536, True), (1245184, 18432, True)]
    run(IMG, "check", "top.qcow2")
    run(IMG, "rebase", "-u", "-b", "", "top.qcow2")
    run(IO, "-c", "read -q -P 7 128k 64k", "-c", "read -q -P 0 192k 64k", "top.qcow2")


@pytest.mark.parametrize("write, pattern", [("aio_write -q -P 9 64k 4k", 9), ("aio_write -q -z 64k 64k", 0)])
@pytest.mark.parametrize("node", ["", "file."], ids=["flag", "filter"])
def test_writes_do_not_get_lost_behind_reads(node, write, pattern, tmp_path, monkeypatch):
    """The backing file is slow: the write comes while what was read is on its way into the image."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "base.qcow2", "1M")
    run(IO, "-c", "write -q -P 7 0 1M", "base.qcow2")
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2")
    slow = "backing.inject-error.0."
    options = ["driver=qcow2", "file.driver=file", "file.filename=top.qcow2", "backing.driver=blkdebug", "backing.image.driver=qcow2",
               "backing.image.file.driver=file", "backing.image.file.filename=base.qcow2", f"{slow}event=none", f"{slow}iotype=read", f"{slow}errno=0",
               f"{slow}delay-ns=100000000"]
    text = ",".join((["driver=copy-on-read"] if node else []) + [node + option for option in options])
    run(IO, *([] if node else ["-C"]), "-c", "aio_read -q 0 1M", "-c", "sleep 20", "-c", write, "-c", "aio_flush", "-c", f"read -q -P {pattern} 64k 4k",
        "--image-opts", text)
    run(IO, "-c", f"read -q -P {pattern} 64k 4k", "-c", "read -q -P 7 128k 64k", "top.qcow2")
    assert allocated("top.qcow2")[0][0] == 0 and sum(length for _, length, _ in allocated("top.qcow2")) == 1 << 20


@pytest.mark.parametrize("size, bytes_", [("+1M", 2 << 20), ("-512k", 512 << 10), ("3M", 3 << 20)])
def test_sizes_may_stand_anywhere(size, bytes_, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "r.raw", "1M")
    run(IMG, "resize", "-f", "raw", "r.raw", size, "--shrink")
    assert os.path.getsize("r.raw") == bytes_


@pytest.mark.parametrize("options, text", [
    ("cluster_size=4k,extended_l2=on", "Extended L2 entries are only supported with cluster sizes of at least 16384 bytes"),
    ("cluster_size=3k", "Cluster size must be a power of two between 512 and 2048k"),
    ("refcount_bits=0", "Refcount width must be a power of two and may not exceed 64 bits"),
    ("refcount_bits=128", "Refcount width must be a power of two and may not exceed 64 bits"),
    ("compat=0.10,refcount_bits=8", "Different refcount widths than 16 bits require compatibility level 1.1 or above (use version=v3 or greater)"),
    ("compat=0.10,lazy_refcounts=on", "Lazy refcounts only supported with compatibility level 1.1 and above (use version=v3 or greater)"),
    ("compat=0.10,extended_l2=on", "Extended L2 entries are only supported with compatibility level 1.1 and above (use version=v3 or greater)"),
    ("data_file_raw=on", "data-file-raw requires data-file"),
    ("cluster_size=512", "Image size too large for this cluster size"),
], ids=lambda text: text)
def test_measure_refuses_what_create_refuses(options, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    size = "1T"  # too large for the smallest clusters
    for command, prefix in ((["create", "-q", "-f", "qcow2", "-o", options, "a.qcow2", size], "a.qcow2: "),
                            (["measure", "-O", "qcow2", "-o", options, "--size", size], "")):
        done = subprocess.run([IMG, *command], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1 and done.stderr.splitlines()[0] == f"mynah-img: {prefix}{text}", done


def forget(path, begin, end):
    """These bytes leave the host's page cache (where its file system has one)."""
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), begin, end - begin, os.POSIX_FADV_DONTNEED)


@pytest.mark.parametrize("options", [[], ["-W"], ["-m", "1"], ["-c"], ["-c", "-o", "compression_type=zstd"], ["-t", "none", "-T", "none"]], ids=" ".join)
def test_convert_what_the_host_remembers_in_part(options, tmp_path, monkeypatch):
    """Reads that end where the page cache does, and those that find nothing there."""
    monkeypatch.chdir(tmp_path)
    rand, size, mib = random.Random(5), 9 << 20, 1 << 20
    content = b"".join(rand.choice([rand.randbytes(65536), bytes(65536), rand.randbytes(1024) * 64]) for _ in range(size // 65536))
    pathlib.Path("a.raw").write_bytes(content)
    for begin in range(0, size, 2 * mib):
        forget("a.raw", begin + 4096 * rand.randrange(16), begin + mib)
    run(IMG, "convert", "-f", "raw", "-O", "qcow2", *options, "a.raw", "b.qcow2")
    run(IMG, "check", "b.qcow2")
    assert "-c" not in options or os.path.getsize("b.qcow2") < size // 2
    forget("b.qcow2", 5 * 65536 + 4096, 2 * mib)
    forget("b.qcow2", 4 * mib, size)
    run(IMG, "convert", "-f", "qcow2", "-O", "raw", *[o for o in options if o in ("-W", "-m", "1", "-t", "-T", "none")], "b.qcow2", "c.raw")
    assert pathlib.Path("c.raw").read_bytes() == content


def test_convert_touches_little_memory(tmp_path, monkeypatch):
    """What was read is written before the next piece is read: one buffer, not one for each of the eight that -m allows."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("a.raw").write_bytes(random.Random(6).randbytes(24 << 20))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
    run(IMG, "convert", "-f", "raw", "-O", "qcow2", "a.raw", "b.qcow2")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before < 800


@needs_qemu
@pytest.mark.parametrize("seed", SEEDS)
def test_chains_snapshots_and_sizes(seed, tmp_path, monkeypatch):
    """commit and rebase keep what is seen; snapshots keep what was; resize keeps what remains."""
    monkeypatch.chdir(tmp_path)
    rand = random.Random(seed)
    size = rand.choice([1 << 20, 3 * (1 << 20) + 512])
    run(IMG, "create", "-q", "-f", "qcow2", "-o", ",".join(random_options(rand)), "a.qcow2", str(size))
    random_writes(rand, "a.qcow2", size, 8)
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "a.qcow2", "-F", "qcow2", "-o", ",".join(random_options(rand)), "t.qcow2")
    random_writes(rand, "t.qcow2", size, 8)
    run(QEMU_IMG, "convert", "-O", "raw", "t.qcow2", "t.raw")
    if rand.random() < .5:
        run(IMG, "commit", *rand.choice([[], ["-d"]]), "t.qcow2")
        same("a.qcow2", "t.raw", "qcow2", "raw")
    else:
        run(QEMU_IMG, "create", "-q", "-f", "qcow2", "n.qcow2", str(size))
        random_writes(rand, "n.qcow2", size, 6)
        run(IMG, "rebase", "-b", rand.choice(["n.qcow2", ""]), "-F", "qcow2", "t.qcow2")
    check("t.qcow2")
    same("t.qcow2", "t.raw", "qcow2", "raw")
    snapshots = {}
    for turn in range(4):
        kind = rand.random()
        tool = rand.choice([IMG, IMG, QEMU_IMG])
        if kind < .4 or not snapshots:
            run(tool, "snapshot", "-c", f"s{turn}", "a.qcow2")
            run(QEMU_IMG, "convert", "-O", "raw", "a.qcow2", f"s{turn}.raw")
            snapshots[f"s{turn}"] = size
        elif kind < .7:
            name = rand.choice(sorted(snapshots))
            run(tool, "snapshot", "-a", name, "a.qcow2")
            same("a.qcow2", name + ".raw", "qcow2", "raw")
        else:
            name = rand.choice(sorted(snapshots))
            run(tool, "snapshot", "-d", name, "a.qcow2")
            del snapshots[name]
        random_writes(rand, "a.qcow2", size, 5)
        check("a.qcow2")
        for name in snapshots:
            run(IMG, "convert", "-O", "raw", "-l", name, "a.qcow2", "x.raw")
            same("x.raw", name + ".raw", "raw", "raw")
        assert listing("snapshot", "-l", "a.qcow2") == run(QEMU_IMG, "snapshot", "-l", "a.qcow2")
    for new in (size + (1 << 20), size // 2 // 512 * 512):
        run(QEMU_IMG, "convert", "-O", "raw", "a.qcow2", "c.raw")
        if run(IMG, "resize", "-q", "--shrink", "a.qcow2", str(new), ok=(0, 1)) == "" and json.loads(run(IMG, "info", "--output=json", "a.qcow2"))["virtual-size"] == new:
            run(QEMU_IMG, "resize", "-q", "--shrink", "-f", "raw", "c.raw", str(new))
            same("a.qcow2", "c.raw", "qcow2", "raw")
            check("a.qcow2")


def wait_for_lock(name):
    """Until a process holds the byte locks of a writer, the last of which are those from 201: /proc/locks names files by MAJOR:MINOR:INODE."""
    held = re.compile(rf"OFDLCK .*:{os.stat(name).st_ino} 20\d ")
    end = time.monotonic() + 30
    while not held.search(pathlib.Path("/proc/locks").read_text()):
        assert time.monotonic() < end, f"nobody locks {name}"
        time.sleep(.01)


@needs_qemu
def test_locks_hold_between_programs(tmp_path, monkeypatch):
    """An image that one program writes is refused by the other, in either order; -U looks anyway."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    for holder, other, img in ((QEMU_IO, IO, IMG), (IO, QEMU_IO, QEMU_IMG)):
        with subprocess.Popen([holder, "-c", "sleep 60000", "a.qcow2"], stdout=subprocess.DEVNULL) as child:
            wait_for_lock("a.qcow2")  # to look by opening it would shut the holder out, if that is the slower one
            refused = subprocess.run([other, "-c", "read 0 512", "a.qcow2"], capture_output=True, text=True, timeout=30, check=False)
            assert refused.returncode != 0 and "lock" in refused.stderr, refused
            assert "Is another process using the image" in refused.stderr
            refused = subprocess.run([img, "info", "a.qcow2"], capture_output=True, text=True, check=False)
            assert refused.returncode == 1 and 'Failed to get shared "write" lock' in refused.stderr, refused
            run(img, "info", "-U", "a.qcow2")
            child.kill()


@pytest.mark.parametrize("arguments,status,text", [
    (["check", "plain.raw"], 63, "This image format does not support checks"),
    (["info", "missing"], 1, "Could not open 'missing': Could not open 'missing': No such file or directory"),
    (["frobnicate"], 1, "Command not found: frobnicate"),
    (["create", "x.qcow"], 1, "Image creation needs a size parameter"),
    (["create", "-f", "qcow2", "-o", "clustersize=4k", "x.qcow2", "1M"], 1, "did you mean 'cluster_size'?"),
    (["create", "-f", "qcow2", "-o", "cluster_size=3000", "x.qcow2", "1M"], 1, "Cluster size must be a power of two between 512 and 2048k"),
    (["create", "-f", "vmdk", "x.vmdk", "1M"], 1, "Unknown file format 'vmdk'"),
    (["resize", "-f", "raw", "plain.raw", "512"], 1, "Use the --shrink option to perform a shrink operation."),
    (["compare", "plain.raw", "other.raw"], 1, ""),
    (["compare", "plain.raw"], 1, "Expecting two image file names"),
    (["compare", "plain.raw", "missing"], 2, "Could not open 'missing'"),
    (["info", "--image-opts", "filename=plain.raw"], 1, "Must specify either driver or file"),
    (["info", "--image-opts", "-f", "raw", "file.filename=plain.raw"], 1, "--image-opts and --format are mutually exclusive"),
    (["info", "--frobnicate", "plain.raw"], 1, "mynah-img info: unrecognized option '--frobnicate'\nTry 'mynah-img info --help' for more information"),
    (["info", "--output=xml", "plain.raw"], 1, "--output expects 'human' or 'json', not 'xml'"),
    (["check", "-U", "-r", "all", "plain.raw"], 1, "force-share=on can only be used with read-only images"),
    (["create", "-f", "qcow2", "-F", "raw", "x.qcow2", "1M"], 1, "Backing format cannot be used without backing file"),
    (["create", "x.raw", "16E"], 1, "Invalid image size specified. Must be between 0 and 9223372036854775807."),
    (["create", "x.raw", "large"], 1, "Invalid image size specified: 'large'"),
    (["rebase", "-b", "plain.raw", "plain.raw"], 1, "Could not change the backing file to 'plain.raw': Operation not supported"),
    (["convert", "-C", "-S", "4k", "plain.raw", "x.raw"], 1, "Cannot enable copy offloading when -S is used"),
    (["convert", "plain.raw"], 1, "Must specify image file name"),
    (["resize", "plain.raw"], 1, "Expecting image file name and size"),
    (["measure", "--size", "1M", "plain.raw"], 1, "--size N cannot be used together with a filename."),
])
def test_mistakes_get_a_clear_answer(arguments, status, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "plain.raw", "1M")
    run(IMG, "create", "-q", "other.raw", "1M")
    run(IO, "-f", "raw", "-c", "write -q 0 512", "other.raw")
    result = subprocess.run([IMG, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == status and text in result.stdout + result.stderr, result


@pytest.mark.parametrize("arguments,status,out,err", [
    (["-c", "alloc 0", "a.qcow2"], 0, "512/512 bytes allocated at offset 0 bytes\n", ""),
    (["-c", "alloc 900k 1M", "a.qcow2"], 0, "0/126976 bytes allocated at offset 900 KiB\n", ""),
    (["-c", "map", "a.qcow2"], 0, "64 KiB (0x10000) bytes     allocated at offset 0 bytes (0x0)\n960 KiB (0xf0000) bytes not allocated at offset 64 KiB (0x10000)\n", ""),
    (["-c", "info", "a.qcow2"], 0, "format name: qcow2\ncluster size: 64 KiB\nvm state offset: 512 MiB\n", ""),
    (["-c", "write -P 256 0 4k", "a.qcow2"], 1, "256 is not a valid pattern byte\n", ""),
    (["-c", "write -z -P 1 0 4k", "a.qcow2"], 1, "Only one of -z, -P, and -s can be specified at the same time\n", ""),
    (["-c", "write -n 0 4k", "a.qcow2"], 1, "-n requires -z to be specified\n", ""),
    (["-c", "write -q -z -n 0 64k", "a.qcow2"], 0, "", ""),
    (["-c", "read 0", "a.qcow2"], 1, "", "bad argument count 1 to read, expected exactly 2 arguments\n"),
    (["-c", "frobnicate", "a.qcow2"], 1, "", 'command "frobnicate" not found\n'),
    (["-c", "truncate -m some 2M", "a.qcow2"], 1, "", "mynah-io: Invalid preallocation mode 'some'\n"),
    (["-c", "open -o driver=qcow2,file.filename=a.qcow2", "-c", "read -q 0 4k"], 0, "", ""),
    (["--image-opts", "-i", "threads", "-c", "read -q 0 4k", "driver=qcow2,file.filename=a.qcow2"], 0, "", ""),
    (["-d", "some", "-c", "read 0 4k", "a.qcow2"], 1, "", "mynah-io: Invalid discard option: some\n"),
    (["-U", "-c", "read 0 4k", "a.qcow2"], 1, "", "mynah-io: can't open device a.qcow2: force-share=on can only be used with read-only images\n"),
    (["-U", "-r", "-c", "read -q 0 4k", "a.qcow2"], 0, "", ""),
])
def test_requests_and_their_mistakes(arguments, status, out, err, tmp_path, monkeypatch):
    """As qemu-io 11.1 answers, word for word."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    run(IO, "-c", "write -q 0 64k", "a.qcow2")
    result = subprocess.run([IO, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (status, out, err), result


@needs_qemu
def test_an_unknown_feature_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(QEMU_IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    image = bytearray((tmp_path / "a.qcow2").read_bytes())
    image[72:80] = (1 << 6).to_bytes(8, "big")
    table = image.index((0x6803f857).to_bytes(4, "big")) + 8
    image[table:table + 48] = bytes([0, 6]) + b"time travel".ljust(46, b"\0")
    (tmp_path / "a.qcow2").write_bytes(image)
    result = subprocess.run([IMG, "info", "a.qcow2"], capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "Unsupported qcow2 feature(s): time travel" in result.stderr


def test_a_cut_image_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "64M")
    run(IO, "-c", "write -q 20M 1M", "a.qcow2")
    whole = pathlib.Path("a.qcow2").read_bytes()
    for left in (len(whole), 65536, 200192):
        pathlib.Path("a.qcow2").write_bytes(whole[:left])
        info = subprocess.run([IMG, "info", "a.qcow2"], capture_output=True, text=True, check=True)
        wanted = [f"qcow2: Image 'a.qcow2' has been cut: it has {left} bytes"] if left < len(whole) else []
        assert len(info.stderr.splitlines()) == len(wanted) and all(text in info.stderr for text in wanted), info


def test_a_protocol_in_the_name_of_a_backing_file(tmp_path, monkeypatch):
    """It is the name as it stands: absolute, or from the folder where the program runs, not from that of the image."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("sub")
    run(IMG, "create", "-q", "-f", "qcow2", "base.qcow2", "1M")
    run(IO, "-c", "write -q -P 7 0 64k", "base.qcow2")
    for name in (f"file:{tmp_path}/base.qcow2", "file:base.qcow2"):
        run(IMG, "create", "-q", "-f", "qcow2", "-b", name, "-F", "qcow2", "sub/top.qcow2")
        run(IO, "-r", "-c", "read -q -P 7 0 64k", "sub/top.qcow2")
        assert f"backing file: {name}\n" in run(IMG, "info", "sub/top.qcow2")


def test_snapshots_whose_names_are_numbers(tmp_path, monkeypatch):
    """Deleting takes a name and nothing else; what is read is looked for by id before name, unless it is said which is meant."""
    monkeypatch.chdir(tmp_path)
    run(IMG, "create", "-q", "-f", "qcow2", "a.qcow2", "1M")
    for name, pattern in (("2", 7), ("1", 8), ("x", 9)):
        run(IO, "-c", f"write -q -P {pattern} 0 64k", "a.qcow2")
        run(IMG, "snapshot", "-c", name, "a.qcow2")
    for which, pattern in (("1", 7), ("snapshot.id=1", 7), ("snapshot.name=1", 8), ("snapshot.name=1,snapshot.id=2", 8), ("x", 9)):
        run(IMG, "convert", "-l", which, "a.qcow2", "out.raw")
        run(IO, "-f", "raw", "-c", f"read -q -P {pattern} 0 64k", "out.raw")
        run(IMG, "measure", "-O", "qcow2", "-l", which, "a.qcow2")
    for which in ("snapshot.name=1,snapshot.id=1", "snapshot.other=1", "9"):
        run(IMG, "convert", "-l", which, "a.qcow2", "out.raw", ok=(1,))
    run(IMG, "snapshot", "-d", "3", "a.qcow2", ok=(1,))
    run(IMG, "snapshot", "-d", "1", "a.qcow2")
    lines = run(IMG, "snapshot", "-l", "a.qcow2").splitlines()[2:]
    assert [line.split()[:2] for line in lines] == [["1", "2"], ["3", "x"]]

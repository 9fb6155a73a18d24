# tests/functional/test_amend.py - mynah-img amend, info --limits, commit --image-opts, null-co://, copy-on-read's bottom, nocow, and a warning.
import json
import subprocess

import pytest

from images import IMG, IO, QEMU_IMG, QEMU_IO, check, needs_qemu, run


def fails(*command, status=1):
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert result.returncode == status, result
    return result.stderr


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def create(name, *options, size="4M"):
    run(IMG, "create", "-q", "-f", "qcow2", *options, name, size)


def said(name):
    return json.loads(run(IMG, "info", "--output=json", name))["format-specific"]["data"]


REFUSED = [
    ("refcount_bits=7", "Refcount width must be a power of two and may not exceed 64 bits"),
    ("refcount_bits=8,compat=0.10", "Refcount widths other than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)"),
    ("lazy_refcounts=on,compat=0.10", "Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)"),
    ("compat=0.9", "Unknown compatibility level 0.9"),
    ("cluster_size=4096", "Invalid parameter 'cluster_size'\nThis option is only supported for image creation"),
    ("backing_file=x", "Cannot amend the backing file"),
    ("data_file=x", "data-file can only be set for images that use an external data file"),
    ("data_file_raw=on", "data-file-raw cannot be set on existing images"),
    ("nocow=on", "Invalid parameter 'nocow'"),
    ("frob=1", "Invalid parameter 'frob'"),
]


@pytest.mark.parametrize("options,words", REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(options, words):
    create("a.qcow2")
    assert words in fails(IMG, "amend", "-o", options, "a.qcow2")
    run(IMG, "check", "a.qcow2")


def test_what_version_2_cannot_have():
    create("w.qcow2", "-o", "refcount_bits=8")
    assert "compat=0.10 requires refcount_bits=16" in fails(IMG, "amend", "-o", "compat=0.10", "w.qcow2")
    create("e.qcow2", "-o", "extended_l2=on")
    assert "Cannot downgrade an image with incompatible features 0x10 set" in fails(IMG, "amend", "-o", "compat=0.10", "e.qcow2")
    create("d.qcow2", "-o", "data_file=d.raw")
    assert "Cannot downgrade an image with a data file" in fails(IMG, "amend", "-o", "compat=0.10", "d.qcow2")
    create("s.qcow2")
    run(IMG, "snapshot", "-c", "s", "s.qcow2")
    run(IMG, "resize", "-q", "s.qcow2", "8M")
    assert "Internal snapshots prevent downgrade of image" in fails(IMG, "amend", "-o", "compat=0.10", "s.qcow2")


@needs_qemu
@pytest.mark.parametrize("cluster", [512, 65536])
def test_every_width_keeps_every_count(cluster):
    create("a.qcow2", "-o", f"cluster_size={cluster}")
    run(IO, "-c", "write -q -P 1 0 1M", "-c", "write -q -z 2M 128k", "a.qcow2")
    run(IMG, "snapshot", "-c", "s", "a.qcow2")
    run(IO, "-c", "write -q -P 2 512k 1M", "a.qcow2")
    assert "Cannot decrease refcount entry width to 1 bits: Cluster at offset" in fails(IMG, "amend", "-o", "refcount_bits=1", "a.qcow2")
    for bits in (2, 64, 8, 32, 4, 16):
        run(IMG, "amend", "-o", f"refcount_bits={bits}", "a.qcow2")
        assert said("a.qcow2")["refcount-bits"] == bits
        check("a.qcow2")
        run(QEMU_IO, "-c", "read -q -P 1 0 512k", "-c", "read -q -P 2 512k 1M", "a.qcow2")
    run(IMG, "snapshot", "-d", "s", "a.qcow2")
    run(IMG, "amend", "-o", "refcount_bits=1", "a.qcow2")
    check("a.qcow2")


@needs_qemu
@pytest.mark.parametrize("backing", [False, True])
def test_version_2_and_back(backing):
    """Zeros stay zeros, also above a backing file with something else in it, in the disk and in its snapshot."""
    create("base.qcow2")
    run(IO, "-c", "write -q -P 9 0 4M", "base.qcow2")
    create("a.qcow2", *(["-b", "base.qcow2", "-B", "qcow2"] if backing else []))
    run(IO, "-c", "write -q -P 1 0 256k", "-c", "write -q -z 128k 64k", "-c", "write -q -z 1M 256k", "a.qcow2")
    run(IMG, "bitmap", "--add", "a.qcow2", "b")
    run(IMG, "snapshot", "-c", "s", "a.qcow2")
    run(IO, "-c", "write -q -z 2M 64k", "-c", "write -q -P 3 1M 64k", "a.qcow2")
    run(IMG, "convert", "-O", "raw", "a.qcow2", "before.raw")
    run(IMG, "convert", "-O", "raw", "-l", "s", "a.qcow2", "before-s.raw")
    run(IMG, "amend", "-o", "compat=0.10", "a.qcow2")
    assert said("a.qcow2")["compat"] == "0.10"
    check("a.qcow2")
    for program in (IMG, QEMU_IMG):
        run(program, "convert", "-O", "raw", "a.qcow2", "after.raw")
        run(program, "convert", "-O", "raw", "-l", "s", "a.qcow2", "after-s.raw")
        run(IMG, "compare", "-f", "raw", "-F", "raw", "before.raw", "after.raw")
        run(IMG, "compare", "-f", "raw", "-F", "raw", "before-s.raw", "after-s.raw")
    run(IMG, "amend", "-o", "compat=1.1,lazy_refcounts=on,size=8M", "a.qcow2")
    assert said("a.qcow2")["compat"] == "1.1" and said("a.qcow2")["lazy-refcounts"]
    check("a.qcow2")


@needs_qemu
def test_limits_as_qemu_shows_them():
    create("a.qcow2", "-o", "cluster_size=128k,extended_l2=on")
    for options, form in (([], []), (["-t", "none"], []), (["--output=json"], ["--output=json"])):
        assert run(IMG, "info", "--limits", *options, "a.qcow2").count("limits") == run(QEMU_IMG, "info", *form, "a.qcow2").count("limits") + 2
    limits = json.loads(run(IMG, "info", "--limits", "--output=json", "a.qcow2"))["limits"]
    assert limits == {"write-zeroes-alignment": 4096, "request-alignment": 1, "min-mem-alignment": 1, "discard-alignment": 131072, "opt-mem-alignment": 4096,
                      "max-iov": 1024}


def test_commit_of_options():
    create("base.qcow2")
    create("mid.qcow2", "-b", "base.qcow2", "-B", "qcow2")
    create("top.qcow2", "-b", "./mid.qcow2", "-B", "qcow2")
    run(IO, "-c", "write -q -P 5 0 64k", "top.qcow2")
    options = ["--image-opts", "driver=qcow2,file.driver=file,file.filename=top.qcow2"]
    assert "Image committed." in run(IMG, "commit", *options)
    run(IO, "-c", "read -q -P 5 0 64k", "mid.qcow2")
    run(IO, "-c", "write -q -P 6 0 64k", "top.qcow2")
    assert "Did not find 'x.qcow2' in the backing chain" in fails(IMG, "commit", "-b", "x.qcow2", *options)
    run(IMG, "commit", "-b", "./mid.qcow2", *options)
    run(IO, "-c", "read -q -P 6 0 64k", "mid.qcow2")
    assert json.loads(run(IMG, "map", "--output=json", "top.qcow2"))[0]["depth"] == 0  # -b keeps what the image has, as -d does
    assert "Image does not have a backing file" in fails(IMG, "commit", "--image-opts", "driver=qcow2,file.filename=base.qcow2")


def test_nothing_behind_a_name():
    assert "protocol type: null-co" in run(IMG, "info", "null-co://")
    assert "file format: null-aio" in run(IMG, "info", "-f", "null-aio", "null-aio://")
    run(IO, "-f", "raw", "-c", "write -q 0 64k", "null-co://")
    assert "The only allowed filename for this driver is 'null-co://'" in fails(IMG, "info", "null-co://x")
    assert "Protocol driver 'null-co' does not support image creation" in fails(IMG, "create", "-q", "-f", "qcow2", "null-co://", "1M")


def test_what_is_taken_up_ends_at_the_bottom():
    create("base.qcow2")
    run(IO, "-c", "write -q -P 1 0 256k", "base.qcow2")
    create("mid.qcow2", "-b", "base.qcow2", "-B", "qcow2")
    run(IO, "-c", "write -q -P 2 64k 64k", "mid.qcow2")
    create("top.qcow2", "-b", "mid.qcow2", "-B", "qcow2")

    def options(bottom):
        return (f"driver=copy-on-read,bottom={bottom},file.driver=qcow2,file.file.driver=file,file.file.filename=top.qcow2,file.backing.node-name=mid,"
                "file.backing.driver=qcow2,file.backing.file.driver=file,file.backing.file.filename=mid.qcow2,file.backing.file.node-name=below")

    assert "Bottom node 'nosuch' not found" in fails(IO, "--image-opts", "-c", "read 0 512", options("nosuch"))
    assert "Bottom node 'below' is not an image" in fails(IO, "--image-opts", "-c", "read 0 512", options("below"))
    run(IO, "--image-opts", "-c", "read -q -P 1 0 64k", "-c", "read -q -P 2 64k 64k", "-c", "read -q -P 1 128k 128k", options("mid"))
    rows = [(row["start"], row["length"]) for row in json.loads(run(IMG, "map", "--output=json", "top.qcow2")) if row["depth"] == 0]
    assert rows == [(65536, 65536)]


def test_nocow_is_for_new_images():
    assert "nocow=on" in run(IMG, "create", "-f", "qcow2", "-o", "nocow=on", "a.qcow2", "1M")
    run(IMG, "create", "-f", "raw", "-o", "nocow=on", "a.raw", "1M")
    assert "nocow" in fails(IMG, "create", "-q", "-f", "raw", "-o", "nocow=maybe", "b.raw", "1M")


def test_who_writes_to_a_guessed_format_is_warned():
    run(IMG, "create", "-q", "-f", "raw", "a.raw", "1M")
    for command, warned in ((["resize", "a.raw", "2M"], True), (["resize", "-f", "raw", "a.raw", "3M"], False), (["info", "a.raw"], False)):
        result = subprocess.run([IMG, *command], capture_output=True, text=True, timeout=60, check=True)
        assert ("WARNING: Image format was not specified for 'a.raw' and probing guessed raw." in result.stderr) == warned

# tests/functional/test_bitmap_command.py - mynah-img bitmap and convert --bitmaps: what they say, what they leave, and that QEMU reads the same.
import random
import subprocess

import pytest

from images import IMG, IO, QEMU_IMG, check, needs_qemu, run
from test_bitmaps import read_bitmap


def fails(*command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1, result
    return result.stderr.replace("mynah-img: ", "", 1).strip()


def make(name, size="10M", **options):
    run(IMG, "create", "-q", "-f", "qcow2", *[f"-o{key}={value}" for key, value in options.items()], name, size)


REFUSED = [
    (["a.qcow2", "b"], "Need at least one of --add, --remove, --remove-all, --clear, --enable, --disable, or --merge"),
    (["--add", "a.qcow2"], "Expecting filename and bitmap name"),
    (["--remove-all", "a.qcow2", "b"], "Expecting filename"),
    (["--add", "a.qcow2", ""], "Operation add on bitmap  failed: Bitmap name cannot be empty"),
    (["--add", "-g", "1000", "a.qcow2", "c"], "Operation add on bitmap c failed: Granularity must be power of 2 and at least 512"),
    (["--add", "-g", "4G", "a.qcow2", "c"], "Operation add on bitmap c failed: Granularity must be power of 2 and at least 512"),
    (["--add", "-g", "x", "a.qcow2", "c"], "Invalid granularity specified: 'x'"),
    (["--clear", "-g", "4096", "a.qcow2", "b"], "granularity only supported with --add"),
    (["--clear", "-b", "a.qcow2", "a.qcow2", "b"], "Merge bitmap source file only supported with --merge"),
    (["--merge", "b", "-F", "raw", "a.qcow2", "b"], "-F only supported with -b"),
    (["--merge", "no", "a.qcow2", "b"], "Operation merge on bitmap b failed: Dirty bitmap 'no' not found"),
    (["--remove", "a.qcow2", "no"], "Operation remove on bitmap no failed: Dirty bitmap 'no' not found"),
    (["--add", "a.qcow2", "b"], "Operation add on bitmap b failed: Bitmap already exists: b"),
    (["--add", "v2.qcow2", "b"], "Cannot store dirty bitmaps in qcow2 v2 files"),
    (["--add", "-f", "raw", "a.qcow2", "b"], "Can't store persistent bitmaps to"),
    (["--add", "a.qcow2", "x" * 1024], "Name length exceeds maximum (1023 characters)"),
    (["--add", "-g", "512", "large.qcow2", "b"], "Too much space will be occupied by the bitmap. Use larger granularity"),
    (["--merge", "b", "-b", "small.qcow2", "-F", "qcow2", "a.qcow2", "b"],
     "Bitmaps are of different sizes (destination size is 10485760, source size is 1048576) and can't be merged"),
    (["--add", "-f", "qcow2", "--image-opts", "a.qcow2", "c"], "--image-opts and --format are mutually exclusive"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bitmaps")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        make("a.qcow2")
        make("small.qcow2", "1M")
        make("v2.qcow2", "1M", compat="0.10")
        make("large.qcow2", "4T")
        run(IMG, "bitmap", "--add", "a.qcow2", "b")
        run(IMG, "bitmap", "--add", "small.qcow2", "b")
    return path


@pytest.mark.parametrize("arguments,words", REFUSED, ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "")
def test_refused(folder, monkeypatch, arguments, words):
    monkeypatch.chdir(folder)
    assert words in fails(IMG, "bitmap", *arguments)


def test_a_bitmap_from_its_making_to_its_end(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make("a.qcow2")
    run(IMG, "bitmap", "--add", "--disable", "-g", "4096", "a.qcow2", "b")
    run(IO, "-c", "write -q 0 64k", "a.qcow2")
    assert read_bitmap("a.qcow2", "b") == (0, set())
    run(IMG, "bitmap", "--enable", "--image-opts", "driver=qcow2,file.filename=a.qcow2", "b")
    run(IO, "-c", "write -q 64k 8k", "a.qcow2")
    assert read_bitmap("a.qcow2", "b") == (2, {16, 17})
    run(IMG, "bitmap", "--add", "--merge", "b", "a.qcow2", "c")
    assert read_bitmap("a.qcow2", "c") == (2, {1})
    run(IMG, "bitmap", "--clear", "a.qcow2", "b")
    assert read_bitmap("a.qcow2", "b") == (2, set())
    run(IMG, "bitmap", "--remove", "a.qcow2", "b")
    run(IMG, "check", "a.qcow2")
    assert "name: c" in run(IMG, "info", "a.qcow2")
    run(IMG, "bitmap", "--remove-all", "a.qcow2")
    run(IMG, "check", "a.qcow2")
    assert "bitmaps" not in run(IMG, "info", "a.qcow2")


@needs_qemu
@pytest.mark.parametrize("cluster", [512, 4096, 65536])
def test_merging_as_qemu_does(tmp_path, monkeypatch, cluster):
    """The same changes by both programs, granularities of all kinds: the same bits, and images that both find sound."""
    monkeypatch.chdir(tmp_path)
    rand = random.Random(cluster)
    names = ["mynah.qcow2", "qemu.qcow2"]
    sizes = {"p": 512, "q": 4096, "r": 65536, "s": 1 << 20}
    run(IMG, "create", "-q", "-f", "qcow2", "-o", f"cluster_size={cluster}", names[0], str((20 << 20) + 512))
    for name, size in sizes.items():
        run(IMG, "bitmap", "--add", "-g", str(size), names[0], name)
        for _ in range(4):
            size = rand.choice([512, 5120, 1 << 20, 4 << 20])
            run(IO, "-c", f"write -q {rand.randrange(0, (20 << 20) - size) // 512 * 512} {size}", names[0])
    run(IO, "-c", f"write -q {20 << 20} 512", names[0])  # the last bit
    (tmp_path / names[1]).write_bytes((tmp_path / names[0]).read_bytes())
    for _ in range(12):
        name, other = rand.choice(list(sizes)), rand.choice(list(sizes))
        change = rand.choice([["--merge", other], ["--merge", other], ["--clear"], ["--disable"], ["--enable"], ["--merge", other, "-b", "other.qcow2", "-F", "qcow2"]])
        (tmp_path / "other.qcow2").write_bytes((tmp_path / names[1]).read_bytes())
        for program, image in zip((IMG, QEMU_IMG), names):
            run(program, "bitmap", *change, image, name)
        for each in sizes:
            assert read_bitmap(names[0], each) == read_bitmap(names[1], each), (change, each)
        check(names[0])
    for each in list(sizes):
        run(IMG, "bitmap", "--remove", names[0], each)
        check(names[0])


@needs_qemu
def test_names_that_stand_behind_the_header(tmp_path, monkeypatch):
    """A backing file's name gives way to the bitmaps' extension, and is read by both programs."""
    monkeypatch.chdir(tmp_path)
    make("base.qcow2")
    for cluster in (512, 1024, 65536):
        run(IMG, "create", "-q", "-f", "qcow2", "-o", f"cluster_size={cluster}", "-b", "base.qcow2", "-B", "qcow2", "a.qcow2")
        run(IMG, "bitmap", "--add", "a.qcow2", "b")
        check("a.qcow2")
        for program in (IMG, QEMU_IMG):
            assert "backing file: base.qcow2" in run(program, "info", "a.qcow2")
            assert "name: b" in run(program, "info", "a.qcow2")
        run(QEMU_IMG, "bitmap", "--add", "a.qcow2", "c")
        run(IMG, "bitmap", "--remove-all", "a.qcow2")
        check("a.qcow2")
        assert "backing file: base.qcow2" in run(QEMU_IMG, "info", "a.qcow2")


def test_converting_with_bitmaps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make("a.qcow2")
    run(IMG, "bitmap", "--add", "a.qcow2", "b")
    run(IMG, "bitmap", "--add", "--disable", "-g", "4096", "a.qcow2", "off")
    run(IO, "-c", "write -q 1M 128k", "a.qcow2")
    run(IMG, "convert", "--bitmaps", "-O", "qcow2", "-o", "cluster_size=4096", "a.qcow2", "out.qcow2")
    assert read_bitmap("out.qcow2", "b") == (2, {16, 17})
    assert read_bitmap("out.qcow2", "off") == (0, set())
    run(IMG, "check", "out.qcow2")
    run(IO, "-c", "write -q 0 512", "out.qcow2")
    assert read_bitmap("out.qcow2", "b") == (2, {0, 16, 17})
    assert "Format driver 'raw' does not support bitmaps" in fails(IMG, "convert", "--bitmaps", "-O", "raw", "a.qcow2", "x.raw")
    assert "Copying bitmaps only possible with single source" in fails(IMG, "convert", "--bitmaps", "-O", "qcow2", "a.qcow2", "a.qcow2", "x.qcow2")
    assert "Failed to create bitmap b: Bitmap already exists: b" in fails(IMG, "convert", "--bitmaps", "-n", "-O", "qcow2", "a.qcow2", "out.qcow2")
    # One that is outdated.
    image = bytearray((tmp_path / "a.qcow2").read_bytes())
    at = image.index(b"\x23\x85\x28\x75\0\0\0\x18") + 24
    image[int.from_bytes(image[at:at + 8], "big") + 15] |= 1
    (tmp_path / "a.qcow2").write_bytes(image)
    assert "Cannot copy inconsistent bitmap 'b'" in fails(IMG, "convert", "--bitmaps", "-O", "qcow2", "a.qcow2", "x.qcow2")
    run(IMG, "convert", "--bitmaps", "--skip-broken-bitmaps", "-O", "qcow2", "a.qcow2", "y.qcow2")
    assert "name: off" in run(IMG, "info", "y.qcow2") and "name: b" not in run(IMG, "info", "y.qcow2")
    assert "Bitmap 'b' is inconsistent and cannot be used" in fails(IMG, "bitmap", "--clear", "a.qcow2", "b")
    run(IMG, "bitmap", "--remove", "a.qcow2", "b")
    run(IMG, "check", "a.qcow2")

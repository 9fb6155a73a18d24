# tests/functional/images.py - what tests of disk images share: the tools, and Debian's beside them.
import functools
import json
import os
import re
import shutil
import subprocess

import pytest

TOOLS = os.path.join(os.path.dirname(os.path.abspath(os.environ.get("MYNAH", "build/mynah-system-riscv64"))), "tools")
IMG, IO = os.path.join(TOOLS, "mynah-img"), os.path.join(TOOLS, "mynah-io")
QEMU_IMG, QEMU_IO = os.environ.get("QEMU_IMG", shutil.which("qemu-img")), os.environ.get("QEMU_IO", shutil.which("qemu-io"))
needs_qemu = pytest.mark.skipif(not QEMU_IMG or not QEMU_IO, reason="qemu-utils is not installed")


def run(*command, ok=(0,)):
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode in ok, f"{command}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
    return result.stdout


@functools.cache
def before_11():
    return int(re.search(r"version (\d+)", run(QEMU_IMG, "--version")).group(1)) < 11


def listing(*command):
    """What mynah-img prints, as 11.1 does; beside an older peer as that would: without child nodes and compression, with other columns."""
    text = run(IMG, *command)
    if not before_11():
        return text
    text = re.sub(r"(?m)^( *)Child node '.*\n(\1 +.*\n)*", "", text)
    text = re.sub(r', "compressed": (true|false)', "", text)
    text = text.replace("ID      TAG               VM_SIZE                DATE        VM_CLOCK     ICOUNT",
                        "ID        TAG               VM SIZE                DATE     VM CLOCK     ICOUNT")
    return re.sub(r"(?m)^(\d.{6} )(.* \d\d:\d\d:\d\d)  00(\d\d:\d\d:\d\d\.\d{3} +)(--|\d+)$",
                  lambda m: f"{m[1]}  {m[2]} {m[3]}{m[4].replace('--', '  ')}", text)


def answer(text):
    """JSON of info or check of either program, to be compared."""
    value = json.loads(text) if text else None
    if value and before_11():
        value.pop("children", None)
    return value


def settle(path):
    """Writes the file back and reads all of it. Of an allocated page that was never written Linux says that it is a hole until something, a
    read ahead too, brings it into the page cache: two programs that ask in turn hear different things of a preallocated file."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        while file.read(1 << 20):
            pass


def check(path):
    run(QEMU_IMG, "check", path)
    run(IMG, "check", path)

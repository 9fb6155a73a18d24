# tests/functional/fdt.py - device trees as text.
"""Device trees: a blob (Devicetree Specification 0.4, chapter 5) as lines that can be compared.

`python3 tests/functional/fdt.py x.dtb` prints them; so the sections of trees-virt.txt were made, from what QEMU 11.1.3 dumped."""
import re
import struct
import sys

BEGIN, END, PROPERTY, NOP, LAST = 1, 2, 3, 4, 9
# What differs at each run or belongs to the CPU model, and what is there eight times.
LEFT_OUT = re.compile(r"rng-seed|riscv,isa|virtio_mmio@1000[2-8]|mmu-type|block-size|riscv,event")


def words(data, offset, count):
    return struct.unpack_from(f">{count}I", data, offset)


def text(data, offset):
    return data[offset:data.index(0, offset)].decode()


def properties(blob):
    """(path, name, value) of every property."""
    magic, _, at, strings = words(blob, 0, 4)
    assert magic == 0xd00dfeed
    path = []
    while True:
        token, = words(blob, at, 1)
        at += 4
        if token == BEGIN:
            name = text(blob, at)
            path.append(name)
            at += len(name) // 4 * 4 + 4
        elif token == END:
            path.pop()
        elif token == PROPERTY:
            size, name = words(blob, at, 2)
            yield "/".join(path) or "/", text(blob, strings + name), blob[at + 8:at + 8 + size]
            at += 8 + (size + 3) // 4 * 4
        elif token == LAST:
            return


def printed(value):
    if len(value) > 1 and value[-1] == 0 and value[0] and all(32 <= c < 127 or c == 0 for c in value):
        return value[:-1].decode().replace("\0", "|")
    return " ".join(f"{word:x}" for word in words(value, 0, len(value) // 4))


def lines(blob):
    """One line a node, sorted, with its properties in order of their names."""
    nodes = {}
    for path, name, value in properties(blob):
        if not LEFT_OUT.search(path) and not LEFT_OUT.search(name):
            nodes.setdefault(path, []).append(f"{name}={printed(value)}")
    return [f"{path}: {'; '.join(sorted(values))}" for path, values in sorted(nodes.items())]


def sections(path):
    """Name (the arguments) -> lines of a file of such trees."""
    found, current = {}, None
    for line in path.read_text().splitlines():
        if line.startswith("== "):
            current = found.setdefault(line[3:], [])
        elif line:
            current.append(line)
    return found


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        print("\n".join(lines(file.read())))

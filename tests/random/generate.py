# tests/random/generate.py - random programs: chunks of instructions from the rows, in loops, functions and jumps.
"""An image is the keeper (entry.S, trap.c), page tables, data and a program that turns for ever, or until its last ecall.
Registers with a purpose: x31 data, x30 and x27 counters of loops, x29 where to go on after a jump to nowhere, x28 addresses,
x26 targets, x1 and x5 links. Whatever else an instruction does, it does to the others."""
import os
import random
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../isa"))
import cases
import vector_cases
from idioms import Idioms
from loops import Loops
from rewriting import LINKS, Rewriting
from rows import Table

MASK = (1 << 64) - 1
KEPT = {26, 27, 28, 29, 30, 31}

# Not where an instruction stands alone: control flow, what ends time, what takes the machine from the keeper.
APART = {"jal", "jalr", "branch", "ecall", "ebreak", "mret", "sret", "wfi", "wrs", "amocas_q"}
MEMORY = {"load", "store", "fload", "fstore", "lr", "sc", "amo", "amocas", "load_ordered", "store_ordered", "cbo", "cbo_zero"}
CSRS = {0x001, 0x002, 0x003, 0x008, 0x009, 0x00A, 0x00F, 0xC20, 0xC21, 0xC22, 0x100, 0x140, 0x141, 0x142, 0x143, 0x104, 0x144, 0x10A, 0x150, 0x151, 0x15C, 0xDB0, 0x350, 0x351, 0x35C, 0xFB0}
# What interrupts from other harts change: whether a store is conditional on nothing having come between, and mtopi.
RESERVING, CALLS = {"lr", "sc"}, {0xFB0}
CLOCKS = {0xC00, 0xC01, 0xC02, 0xB00, 0xB02, 0xC03, 0x14D}


def layout():
    """The numbers of layout.h."""
    with open(os.path.join(HERE, "layout.h"), encoding="utf-8") as f:
        pairs = re.findall(r"^#define (\w+) +(0x[0-9a-f]+|\d+)\b", f.read(), re.M)
    return {name: int(value, 0) for name, value in pairs}


AT = layout()


def load_elf(path):
    """Bytes at KEEPER on, of what an ELF file loads there."""
    with open(path, "rb") as f:
        elf = f.read()
    offset, size, count = struct.unpack_from("<Q", elf, 32)[0], *struct.unpack_from("<HH", elf, 54)
    image = bytearray()
    for i in range(count):
        kind, _, at, _, address, length = struct.unpack_from("<IIQQQQ", elf, offset + i * size)
        if kind == 1:
            image[len(image):] = bytes(max(0, address - AT["KEEPER"] + length - len(image)))
            image[address - AT["KEEPER"]:address - AT["KEEPER"] + length] = elf[at:at + length]
    assert len(image) <= AT["HANDLER"] - AT["KEEPER"]
    return bytes(image)


class Rows:
    """The rows by what a program does with them."""

    def __init__(self, path):
        self.table = Table(path)
        groups = {}
        for row in self.table.rows:
            action = self.action(row)
            if action in APART or not action:
                continue
            groups.setdefault(self.kind(row, action), []).append(row)
        self.groups = groups
        groups["plain"] = [r for r in groups["integer"] if r.guard.startswith(("i", "m", "zb")) and self.action(r).split("_")[0] in (
            "arith", "compare", "lui", "auipc", "mul", "div", "rem", "shadd", "unary")]
        groups["vector first"] = [r for r in groups["vector memory"] if r.name.endswith("ff.v")]
        groups["plain memory"] = [r for r in groups["memory"] if self.action(r) in ("load", "store", "fload", "fstore")]

    def action(self, row):
        return self.table.expanded(row).action.split("(")[0]

    @staticmethod
    def kind(row, action):
        if action in MEMORY:
            return "memory"
        if action.startswith("csr"):
            return "csr"
        if action.startswith("v"):
            return "vector memory" if row.value & 0x5f == 0x07 else "vector"
        return "floating" if any(o in ("fd", "fs1", "fs2", "fs3") for o in row.operands) else "integer"


class Case(vector_cases.VectorCase):
    """A word under a vtype: choose() says whether it is legal."""

    def __init__(self, table, row, rng, vtype, word):
        self.table, self.row, self.rng, self.vlen, self.vtype, self.word = table, row, rng, 128, vtype, word
        self.split_action()


class Generator(Idioms, Loops, Rewriting):
    DATA, DATA_END = AT["DATA"], AT["DATA"] + AT["DATA_PAGES"] * 4096

    def __init__(self, rows, seed, timed, harts, shared):
        self.rows, self.rng, self.timed, self.alone, self.shared = rows, random.Random(seed), timed, harts == 1, shared
        self.values = cases.Values(self.rng)
        self.code = bytearray()
        self.busy = set(KEPT)   # registers that no instruction may write
        r = self.rng
        self.weights = {k: r.choice((0, 1, 1, 2, 5)) + (k == "integer") for k in rows.groups if k in ("integer", "floating", "vector", "csr", "memory")}
        self.weights["csr"] = min(self.weights["csr"], 1)

    # --- words ---

    def here(self):
        return AT["CODE"] + len(self.code)

    def emit(self, word):
        self.code += word.to_bytes(cases.size_of(word), "little")

    def later(self):
        """Room for a word that is known when what lies behind it is."""
        self.code += bytes(4)

    def plain(self):
        """An instruction for which there may be another."""
        word = self.word("plain")
        if word & 3 == 3:
            self.others.append(len(self.code))
        self.emit(word)

    def twin(self):
        """The program with other values: the same ways, but where values decide."""
        code, self.busy = self.code[:], self.busy | set(LINKS)
        for at in self.others:
            if self.rng.randrange(2):
                code[at:at + 4] = self.whole_word().to_bytes(4, "little")
        return bytes(code[:AT["TWIN_PAGES"] * 4096])

    def branch(self, word, offset):
        return word | (offset >> 12 & 1) << 31 | (offset >> 5 & 63) << 25 | (offset >> 1 & 15) << 8 | (offset >> 11 & 1) << 7

    def random_branch(self):
        """Without a target yet."""
        return self.rng.choice((0, 1, 4, 5, 6, 7)) << 12 | self.source() << 15 | self.source() << 20 | 0x63

    def source(self):
        return self.rng.randrange(32)

    def writable(self):
        return self.rng.choice([x for x in range(1, 26) if x not in self.busy])

    def li(self, rd, value):
        """A small positive constant."""
        if value >= 2048:
            self.emit((value + 0x800 >> 12) << 12 | rd << 7 | 0x37)
            self.emit(cases.addi(rd, rd, value & 0xfff))
        else:
            self.emit(cases.addi(rd, 0, value))

    def auipc(self, rd):
        self.emit(rd << 7 | 0x17)

    # --- single instructions ---

    def writes_kept(self, row, word):
        formals = self.rows.table.formals(row, word)
        operands = self.rows.table.expanded(row).operands
        return formals.get("rd") in self.busy and "fd" not in operands and "vd" not in operands

    def word(self, kind, **fields):
        r = self.rng
        while True:
            row = r.choice(self.rows.groups[kind])
            try:
                word = self.rows.table.random_word(row, r, **fields)
            except ValueError: # c.lui has no sp
                continue
            if self.writes_kept(row, word) or (not self.alone and self.rows.action(row) in RESERVING):
                continue
            if fields and any(name in row.fields and row.get(word, name) != value for name, value in fields.items()):
                continue
            return word

    def csr_word(self):
        numbers = sorted((CSRS | CLOCKS if self.timed else CSRS) - (set() if self.alone else CALLS))
        while True:
            row = self.rng.choice(self.rows.groups["csr"])
            word = self.rows.table.random_word(row, self.rng, csr=self.rng.choice(numbers))
            if not self.writes_kept(row, word):
                return word

    def single(self):
        kind = self.rng.choices(list(self.weights), list(self.weights.values()))[0]
        if kind == "csr":
            self.emit(self.csr_word())
        elif kind == "memory":
            self.memory(1)
        else:
            self.emit(self.word(kind))

    def emit_vector(self, word):
        """What is stored by strides stays near: a page table that is written over has no fence behind it."""
        if word & 0x7f == 0x27 and word >> 26 & 3 == 2 and word >> 12 & 7 in (0, 5, 6, 7):     # vsse, vssseg
            stride = self.writable()
            self.emit(self.rng.choice((58, 59, 60)) << 20 | self.source() << 15 | 1 << 12 | stride << 7 | 0x13)   # slli
            self.emit(0x40000000 | 58 << 20 | stride << 15 | 5 << 12 | stride << 7 | 0x13)                      # srai
            word = word & ~(31 << 20) | stride << 20
        self.emit(word)

    # --- vectors: what random words rarely are, legal and several under one vtype ---

    def configure(self):
        """vsetvli, vsetivli, vsetvl: a legal vtype and any length."""
        r = self.rng
        sew = r.randrange(3, 7)
        vtype = vector_cases.Vtype(sew, r.choice((0, 0, 0, 1, 2, 3) + tuple(range(sew - 6, 0))))
        bits, rd = vtype.bits(r), r.choice((0, self.writable()))
        kind = r.randrange(6)
        if kind <= 1:
            self.emit(0xc0007057 | bits << 20 | r.choice((16, 8, 4, r.randrange(32))) << 15 | rd << 7)
        elif kind == 2:
            self.li(28, bits)
            self.emit(0x80007057 | 28 << 20 | self.source() << 15 | rd << 7)
        else:
            avl = self.source()
            if kind == 3:
                avl = 28
                self.li(28, r.randrange(140))
            self.emit(0x00007057 | bits << 20 | avl << 15 | rd << 7)
        return vtype

    def vector_word(self, vtype):
        """Legal under this vtype, mostly."""
        r = self.rng
        kind = r.choice(("vector", ) * 5 + ("vector memory", ) * 2 + ("vector first", ))
        fields = {} if kind == "vector" else {"rs1": 28}
        for _ in range(100):
            word = self.word(kind, **fields)
            row = next(row for row in self.rows.groups[kind] if row.matches(word))
            if not row.name.startswith("vset") and (Case(self.rows.table, row, r, vtype, word).choose() or r.randrange(32) == 0):
                break
        return word

    def vectors(self):
        r = self.rng
        for _ in range(r.randrange(1, 4)):
            vtype = self.configure()
            if r.randrange(2):
                self.address()
            else:       # elements on both sides of an edge
                self.li(28, r.randrange(1, 8) * 4096 - r.randrange(80))
                self.emit(28 << 20 | 31 << 15 | 28 << 7 | 0x33)
            for _ in range(r.randrange(1, 9)):
                self.emit_vector(self.vector_word(vtype))
                if r.randrange(4) == 0:
                    self.emit(r.choice((0xc20, 0xc20, 0xc21, 0x008, 0x00f)) << 20 | 2 << 12 | self.writable() << 7 | 0x73)     # csrr vl ...
            if r.randrange(8) == 0:
                self.emit(0x008 << 20 | r.choice((0, 1, 4, 8, r.randrange(32))) << 15 | 5 << 12 | 0x73)                        # csrwi vstart

    def displaced(self, base, imm):
        """An access at imm(base); its row."""
        row = self.rng.choice(self.rows.groups["plain memory"])
        while not {"imm", "rs1"} <= set(row.fields) or row.width != 32:
            row = self.rng.choice(self.rows.groups["plain memory"])
        while True:
            word = self.rows.table.random_word(row, self.rng, rs1=base)
            if not self.writes_kept(row, word):
                return row, row.put(word, "imm", imm)

    # --- chunks ---

    def straight(self, most=12):
        for _ in range(self.rng.randrange(1, most)):
            self.single()

    def address(self):
        """x28: somewhere in the data, or on its edges."""
        r = self.rng
        if r.randrange(3):
            self.emit(r.randrange(-1024, 1024) << 20 & 0xfff00000 | self.source() << 15 | 7 << 12 | 28 << 7 | 0x13)     # andi
            if r.randrange(2):
                self.emit(r.choice((1, 3, 5, 6)) << 20 | 28 << 15 | 1 << 12 | 28 << 7 | 0x13)                           # slli
        else:
            self.li(28, r.choice((0, 8, 64, 4092, 4096, 8191)) + r.randrange(64))
        self.emit(28 << 20 | 31 << 15 | 28 << 7 | 0x33)                                                                 # add
        if r.randrange(3):
            self.emit(0xff800000 | 28 << 15 | 7 << 12 | 28 << 7 | 0x13)                                                 # andi -8

    def access(self):
        r = self.rng
        if r.randrange(8) == 0 and self.weights["vector"]:
            self.emit_vector(self.word("vector memory", rs1=28))
            return
        word = self.word("memory", rs1=28)
        row = self.find(word)
        if row and "imm" in row.fields and row.fields["imm"]["signed"]:
            word = row.put(word, "imm", r.choice((0, 8, 16, -8, 4, 1, 2040)))
        if row and "rs1" not in row.fields and 2 not in self.busy: # by sp: a return address there would have a store change code that runs without fence.i
            self.emit(cases.addi(2, 28, 0))
        self.emit(word)

    def find(self, word):
        return next((row for row in self.rows.groups["memory"] if row.matches(word)), None)

    def memory(self, most=6):
        self.address()
        for _ in range(self.rng.randrange(1, most + 1)):
            self.access()

    def forward(self):
        """A branch over some instructions."""
        at = len(self.code)
        self.emit(self.random_branch())
        self.straight(6)
        self.patch_branch(at, len(self.code) - at)

    def patch_branch(self, at, offset):
        word = struct.unpack_from("<I", self.code, at)[0]
        struct.pack_into("<I", self.code, at, self.branch(word, offset))

    def body(self, depth):
        for _ in range(self.rng.randrange(1, 4)):
            self.rng.choice((self.straight, self.straight, self.forward, self.memory, self.stream, self.idiom) + ((self.call,) if depth else ()) +
                            ((self.loop, ) if depth > 1 else ()) + ((self.vectors, ) if self.weights["vector"] else ()))()

    def stream(self):
        """Accesses at an address that goes on: what tier 2 hoists checks of."""
        for _ in range(self.rng.randrange(1, 4)):
            self.access()
        self.emit(cases.addi(28, 28, self.rng.choice((1, 2, 4, 8, -8, 16, 64))))

    def loop(self, depth=1):
        counter = 30 if 30 in self.free else 27
        if counter not in self.free:
            return
        self.free.discard(counter)
        self.li(counter, self.rng.choice((1, 3, 10, 40, 200) if depth == 1 and self.free else (2, 5, 20)))
        self.address()
        begin = len(self.code)
        self.body(depth)
        if self.rng.randrange(4) == 0:      # a way out, or a second way back
            at = len(self.code)
            self.emit(self.random_branch())
            leave = at
        else:
            leave = None
        self.emit(cases.addi(counter, counter, -1))
        offset = begin - len(self.code)
        if offset >= -4096:
            self.emit(self.branch(1 << 12 | counter << 15 | 0x63, offset))
        if leave is not None:
            self.patch_branch(leave, len(self.code) - leave)
        self.free.add(counter)

    def nest(self):
        self.loop(2)

    def call(self):
        if not self.functions:
            return
        to, link = self.rng.choice(self.functions)
        if self.rng.randrange(3):
            self.emit(cases.jump(to - len(self.code)) | link << 7)
        else:
            self.auipc(26)
            offset = to - (len(self.code) - 4)
            if -2048 <= offset < 2048:
                self.emit((offset & 0xfff) << 20 | 26 << 15 | link << 7 | 0x67)
            else:
                self.code[-4:] = ((offset + 0x800 & 0xfffff000) | 26 << 7 | 0x17).to_bytes(4, "little")
                self.emit((offset & 0xfff) << 20 | 26 << 15 | link << 7 | 0x67)
        for _ in range(self.rng.randrange(3)):
            self.plain()

    def function(self):
        link = self.rng.choice(LINKS)
        at = len(self.code)
        self.busy.add(link)
        self.free.discard(27), self.free.discard(30)    # its caller's
        self.body(0)
        if self.rng.randrange(2):
            self.slot()
            self.straight(4)
        self.busy.discard(link)
        self.free |= {27, 30}
        self.emit(link << 15 | 0x67)
        self.functions.append((at, link))

    def indirect(self):
        """One of four places, by a register."""
        pads = self.rng.choice((2, 4))
        self.emit((pads - 1) << 20 | self.source() << 15 | 7 << 12 | 28 << 7 | 0x13)
        self.emit(3 << 20 | 28 << 15 | 1 << 12 | 28 << 7 | 0x13)                    # 8 bytes a place
        self.auipc(26)
        self.emit(28 << 20 | 26 << 15 | 26 << 7 | 0x33)
        self.emit(12 << 20 | 26 << 15 | 0x67)
        at = len(self.code)
        for i in range(pads):
            self.emit(cases.addi(self.writable(), self.source(), i))
            self.emit(cases.jump((pads - i) * 8 - 4))
        assert len(self.code) == at + pads * 8

    def nowhere(self):
        """A jump that mostly faults; x29 says where to go on."""
        self.auipc(29)
        at = len(self.code)
        self.later()
        self.emit(17 << 20 | self.rng.randrange(6, 26) << 15 | 1 << 12 | 28 << 7 | 0x13)                # slli: rarely where something is
        self.emit(self.rng.randrange(-8, 8) << 20 & 0xfff00000 | 28 << 15 | self.rng.choice((0, 1)) << 7 | 0x67)
        self.straight(4)
        struct.pack_into("<I", self.code, at, cases.addi(29, 29, len(self.code) - at + 4))

    def change(self):
        self.emit(0x73)

    def wait(self):
        self.emit(0x10500073 if self.timed else 0x00100073)     # wfi; ebreak

    def fence(self):
        self.emit(self.rng.choice((0x0000100f, 0x0ff0000f, 0x12000073, 0x12000073 | self.rng.randrange(32) << 15)))

    def program(self):
        chunks = {self.straight: 6, self.memory: 5, self.idiom: 5, self.forward: 4, self.loop: 4, self.nest: 2, self.plain_loop: 6, self.short_nest: 2, self.call: 4, self.indirect: 2,
                  self.nowhere: 1, self.modify: 1, self.rewrite: 2, self.change: 2, self.wait: 1, self.fence: 1,
                  self.vectors: self.weights["vector"], self.strips: self.weights["vector"], self.elements: min(2, self.weights["floating"])}
        if self.shared:     # nobody writes it
            del chunks[self.modify], chunks[self.rewrite]
        self.functions, self.slots, self.others, self.free = [], [], [], {27, 30}
        start = len(self.code)
        self.later()
        for _ in range(self.rng.randrange(2, 6)):
            self.function()
        struct.pack_into("<I", self.code, start, cases.jump(len(self.code) - start))
        begin = len(self.code)
        count = self.rng.randrange(8, 60)
        if self.weights["vector"] > 1 and self.rng.randrange(2):    # a long one, of vectors above all
            chunks = {self.vectors: 8, self.strips: 4, self.change: 1, self.forward: 1}
            count *= 5
        for _ in range(count):
            if self.rng.randrange(6) == 0 and len(self.code) < AT["TWIN_PAGES"] * 4096:
                self.page_end()
            self.rng.choices(list(chunks), list(chunks.values()))[0]()
        self.change()
        self.auipc(26)
        offset = begin - (len(self.code) - 4)
        self.code[-4:] = ((offset + 0x800 & 0xfffff000) | 26 << 7 | 0x17).to_bytes(4, "little")
        self.emit((offset & 0xfff) << 20 | 26 << 15 | 0x67)
        assert len(self.code) < AT["CODE_END"] - AT["CODE"]
        return bytes(self.code)


def tables(own, code):
    """Two sets: S at the addresses of RAM with pages of its own, U as much higher; data behind other pages in the second."""
    image = bytearray(AT["SET_SIZE"] * 2)

    def put(at, page, flags):
        struct.pack_into("<Q", image, at, page >> 12 << 10 | flags)

    for number in range(2):
        base = number * AT["SET_SIZE"]
        for user, (middle, leaves) in enumerate(((0x1000, 0x2000), (0x3000, 0x4000))):
            put(base + (2 + user) * 8, AT["TABLES"] + own + base + middle, 1)
            put(base + middle, AT["TABLES"] + own + base + leaves, 1)
            if not user:
                put(base + leaves + (AT["HANDLER"] >> 12 & 511) * 8, AT["HANDLER"], 0x4b)
            for page in range(AT["CODE"] + code, AT["CODE_END"] + code, 4096):
                put(base + leaves + (page >> 12 & 511) * 8, page, 0xcf | user << 4)
            for i in range(AT["DATA_PAGES"]):
                page = AT["DATA"] + own + i * 4096
                put(base + leaves + (page >> 12 & 511) * 8, AT["DATA"] + own + (i ^ number) * 4096, 0xcf | user << 4)
    return bytes(image)


def is_calm(seed):
    """Of several harts, none is called or stopped by who has no part in the program."""
    return seed // 2 % 2 == 1


def write(path, *arguments):
    with open(path, "wb") as f:
        f.write(make(*arguments))


def write_disk(path, image_path):
    """What the code is at first, and the twin, of both harts of an image."""
    size = AT["TWIN_PAGES"] * 4096
    with open(image_path, "rb") as image, open(path, "wb") as disk:
        for own in (0, AT["INSTANCE"]):
            for at in (AT["CODE"], AT["TWIN"]):
                image.seek(at - AT["KEEPER"] + own)
                disk.write(image.read(size))


def make(rows, keeper, seed, timed, limit, harts):
    """An image for KEEPER on. timed: interrupts and clocks, for runs that count. limit: ecalls until it ends; 0: never.
    harts: 1; or 3: two with a program each, or with data of their own for the same one, and one that disturbs them."""
    image = bytearray(AT["IMAGE_END"] - AT["KEEPER"] + (harts - 1) * AT["INSTANCE"])
    shared = harts > 1 and seed % 2 == 0

    def place(at, data):
        image[at - AT["KEEPER"]:at - AT["KEEPER"] + len(data)] = data

    place(AT["KEEPER"], keeper)
    place(AT["HANDLER"], struct.pack("<II", 0x73, 0x10200073))      # ecall; sret
    for hart in range(harts):
        own = hart * AT["INSTANCE"]
        code = 0 if shared else own
        generator = Generator(rows, f"{seed}/{hart}" if hart else seed, timed, harts, shared)
        if hart < 2 and own == code:
            place(AT["CODE"] + code, generator.program())
            place(AT["TWIN"] + code, generator.twin())
        place(AT["TABLES"] + own, tables(own, code))
        r = generator.rng
        words = [r.getrandbits(64)] * 33
        for i in range(32):
            words[i] = generator.values.integer()
        envcfg = (r.randrange(2) << 63 if timed else 0) | r.randrange(2) << 62 | r.randrange(2) << 61 | 0xf0
        words += [limit, int(timed), envcfg, 0, 0, 0, code, harts, int(shared), int(is_calm(seed))]
        words += [0] * (AT["STATE_POOL"] - len(words))
        words += [r.choice((generator.values.integer, lambda: generator.values.floating(r.choice("hsd"))))() for _ in range(AT["POOL_SIZE"])]
        place(AT["STATE"] + own, struct.pack(f"<{len(words)}Q", *words))
        place(AT["DATA"] + own, b"".join(r.choice((generator.values.integer, lambda: generator.values.floating(r.choice("hsd"))))().to_bytes(8, "little")
                                         for _ in range(AT["DATA_PAGES"] * 512)))
    return bytes(image)

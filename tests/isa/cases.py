# tests/isa/cases.py - random test cases from the instruction rows, laid out as one flat program.
"""A case sets the operands' registers, runs the instruction, stores what came out. The program is the cases one behind
the other, then write(1, data, size) and exit; it runs under Linux (user mode) and in Mynah alike, at the same addresses."""
import struct

import vector_cases
from vector_cases import VectorCase

BASE = 0x80000000
MASK = (1 << 64) - 1
# Actions that only directed tests can cover: traps, privilege, time; Zalasr, which the oracle is too old for (tests/jit/atomics.c).
NOT_HERE = {'load_ordered', 'store_ordered', 'ecall', 'ebreak', 'mret', 'sret', 'wfi', 'wrs', 'sfence_vma', 'sfence_inval', 'cbo'}

# Memory accesses that fault unless aligned.
ALIGNED = {'lr', 'sc', 'amo', 'amocas', 'amocas_q', 'load_ordered', 'store_ordered'}

# Offsets in a case's data. Of pairs of integer registers the second halves are where floating-point ones would be.
X1, X2, XD, F1, F2, F3, FD, FCSR, OUT_X, OUT_F, OUT_FCSR, OUT_FLAG = range(0, 96, 8)
AREA, AREA_SIZE = 128, 128
OUTPUTS = ((OUT_X, 'x[rd]'), (OUT_F, 'f[rd] or x[rd + 1]'), (OUT_FCSR, 'fcsr'), (OUT_FLAG, 'path'))


def ld(rd, base, off):
    return (off & 0xfff) << 20 | base << 15 | 3 << 12 | rd << 7 | 0x03


def fld(rd, base, off):
    return (off & 0xfff) << 20 | base << 15 | 3 << 12 | rd << 7 | 0x07


def sd(rs2, base, off, opcode=0x23):
    return (off >> 5 & 0x7f) << 25 | rs2 << 20 | base << 15 | 3 << 12 | (off & 31) << 7 | opcode


def fsd(rs2, base, off):
    return sd(rs2, base, off, 0x27)


def addi(rd, rs1, imm):
    return (imm & 0xfff) << 20 | rs1 << 15 | rd << 7 | 0x13


def jump(offset):
    return (offset >> 20 & 1) << 31 | (offset >> 1 & 0x3ff) << 21 | (offset >> 11 & 1) << 20 | (offset >> 12 & 0xff) << 12 | 0x6f


def size_of(word):
    return 4 if (word & 3) == 3 else 2


class Values:
    """Operands that find mistakes."""

    FORMATS = {'h': (16, 10, 15), 's': (32, 23, 127), 'd': (64, 52, 1023)}

    def __init__(self, rng):
        self.rng = rng

    def integer(self):
        r, kind = self.rng, self.rng.randrange(10)
        if kind == 0:
            return r.choice((0, 1, 2, MASK, MASK - 1, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, 0xffffffff,
                             MASK ^ 0x7fffffff, 1 << 32, 0x5555555555555555, 63, 64, 31, 32))
        if kind == 1:
            return 1 << r.randrange(64)
        if kind == 2:
            return (MASK << r.randrange(64)) & MASK
        if kind == 3:
            return r.getrandbits(32)
        if kind == 4:
            return (r.getrandbits(32) ^ 0x80000000) - 0x80000000 & MASK
        if kind == 5:
            return int.from_bytes(bytes(r.choice((0, 0, 1, 0x80, 0xff)) for _ in range(8)), 'little')
        if kind == 6:
            return r.getrandbits(r.randrange(1, 65))
        return r.getrandbits(64)

    def special(self, bits, frac):
        r, sign = self.rng, self.rng.getrandbits(1) << (bits - 1)
        top = ((1 << (bits - 1 - frac)) - 1) << frac
        return sign | r.choice((0, top, top | 1 << (frac - 1), top | 1, top | r.getrandbits(frac - 1) | 1, 1, (1 << frac) - 1,
                                1 << frac, top - 1, top - (1 << frac), r.getrandbits(frac)))

    def number(self, bits, frac, bias, near=None):
        r, kind = self.rng, self.rng.randrange(8)
        if kind <= 1:
            return self.special(bits, frac)
        if kind == 2:                           # integers and halves around the limits of conversions
            exponent = min(bias + r.choice((-2, -1, 0, 1, 2, 7, 8, 15, 16, 30, 31, 32, 33, 52, 53, 62, 63, 64, 65)), 2 * bias)
            keep = r.randrange(frac + 1)
            return r.getrandbits(1) << (bits - 1) | exponent << frac | r.getrandbits(frac) >> keep << keep
        if kind == 3 and near is not None:      # cancellation
            return (near ^ r.getrandbits(1) << (bits - 1)) + r.randrange(-3, 4) & ((1 << bits) - 1)
        if kind == 4:                           # few digits: exact results, ties
            exponent = bias + r.randrange(-4, 5)
            return r.getrandbits(1) << (bits - 1) | exponent << frac | r.getrandbits(3) << (frac - 3)
        if kind == 5:                           # near underflow and overflow
            exponent = r.choice((0, 1, 2, 2 * bias, 2 * bias - 1, bias // 2, bias + bias // 2))
            return r.getrandbits(1) << (bits - 1) | exponent << frac | r.getrandbits(frac)
        return r.getrandbits(bits)

    def floating(self, fmt, near=None):
        bits, frac, bias = self.FORMATS[fmt]
        value = self.number(bits, frac, bias, None if near is None else near & ((1 << bits) - 1))
        if bits == 64:
            return value
        if self.rng.randrange(8) == 0:          # not boxed
            return self.rng.getrandbits(64 - bits) << bits | value
        return (MASK << bits & MASK) | value


class Case:
    def __init__(self, row, word):
        self.row, self.word, self.address, self.data, self.has_area = row, word, 0, 0, False
        self.vector = None


class Program:
    def __init__(self, table, rng, data_at, vlen=128):
        self.vlen = vlen
        self.table, self.rng, self.values = table, rng, Values(rng)
        self.code, self.data, self.data_at, self.cases = bytearray(), bytearray(), data_at, []

    def pc(self):
        return BASE + len(self.code)

    def emit(self, word):
        self.code += word.to_bytes(size_of(word), 'little')

    def add(self, row):
        """One random case of a row."""
        target = self.table.expanded(row)
        action = target.action.split('(')[0]
        if action.startswith('v'):
            return self.add_vector(row)
        operands = target.operands
        memory = action in ('load', 'store', 'fload', 'fstore', 'cbo_zero') or action in ALIGNED
        while True:
            word = self.table.random_word(row, self.rng)
            if action in ('csr', 'csr_imm'):
                word = row.put(word, 'csr', self.rng.choice((1, 2, 3)))
            if action in ('branch', 'jal'):
                word = self.aim(row, word)
            f = self.table.formals(row, word)
            if (memory or action == 'jalr') and f.get('rs1', 1) == 0:
                continue
            if action.startswith('amocas') and f['rd'] == 0:    # QEMU 10.0 writes to its x0
                continue
            if action == 'amocas_q' and (f['rd'] | f['rs2']) & 1:
                continue
            break
        case = Case(row, word)
        floats = action.startswith('f') and action not in ('fence', 'fence_tso', 'fence_i') or action.startswith('csr')
        x_used = {f[n] for n in ('rs1', 'rs2', 'rd') if n in f and f'f{n[1:]}' not in operands}
        if action == 'amocas_q':
            x_used |= {f['rd'] + 1, f['rs2'] + 1}
        free = [n for n in range(5, 32) if n not in x_used]
        base, tmp = self.rng.sample(free, 2)
        self.place(case, memory)
        self.inputs(case, f, row, action)
        self.load(case, f, base, tmp, operands, floats)
        self.body(case, f, base, tmp, action)
        if floats:
            self.emit(0x00302073 | tmp << 7)    # csrr tmp, fcsr
            self.emit(sd(tmp, base, OUT_FCSR))
        if 'fd' in operands:
            self.emit(fsd(f['rd'], base, OUT_F))
        elif 'rd' in f:
            self.emit(sd(f['rd'], base, OUT_X))
        if action == 'amocas_q' and f['rd']:
            self.emit(sd(f['rd'] + 1, base, OUT_F))
        self.cases.append(case)
        return None

    def add_vector(self, row):
        v, rng = VectorCase(self.table, row, self.rng, self.vlen), self.rng
        case = Case(row, v.word)
        case.vector = v
        kinds = {}
        for field, operands in (('rd', ('rd', 'fd')), ('rs1', ('rs1', 'fs1', '(rs1)')), ('rs2', ('rs2',))):
            kinds[field] = next((o for o in operands if o in row.operands), None)
        x_used = {v.get(n) for n, kind in kinds.items() if kind and not kind.startswith('f')}
        if kinds['rs1'] == '(rs1)' and v.get('rs1') == 0 or kinds['rs1'] == '(rs1)' and v.get('rs1') == v.get('rs2') and kinds['rs2']:
            return self.add_vector(row)
        base, tmp, avl, vtype = rng.sample([n for n in range(5, 32) if n not in x_used], 4)
        self.place_vector(case, v)
        self.inputs_vector(case, v, kinds)
        self.load_vector(case, v, kinds, base, tmp, avl, vtype)
        case.address = self.pc()
        self.emit(case.word)
        self.store_vector(v, kinds, base, tmp)
        self.cases.append(case)
        return None

    def place_vector(self, case, v):
        self.data += bytes(-len(self.data) % 64)
        case.data = len(self.data)
        registers = v.registers(self.values)
        self.data += bytes(vector_cases.REGISTERS) + registers + bytes(len(registers))
        if v.args[0] == 'FIRST':                # QEMU 10.0 aborts where such a load reaches another page
            self.data += bytes(-len(self.data) % 4096)
        case.memory = len(self.data) - case.data
        if v.action in ('vector_load', 'vector_store'):
            self.data += self.rng.randbytes(vector_cases.MEMORY)
        case.end = len(self.data)

    def inputs_vector(self, case, v, kinds):
        rng, values = self.rng, self.values
        floats = v.action.startswith('vector') and not v.action.endswith(('load', 'store')) and v.floats(v.args[0])
        fmt = {4: 'h', 5: 's', 6: 'd'}.get(v.vtype.sew, 'd')
        self.put(case, X1, values.integer() if rng.getrandbits(1) else rng.randrange(2 * v.vlen // 8))
        self.put(case, X2, values.integer())
        self.put(case, XD, values.integer())
        self.put(case, F1, values.floating(fmt))
        self.put(case, FCSR, rng.randrange(5) << 5 | (rng.getrandbits(5) if rng.getrandbits(1) else 0) if floats else 0)
        self.put(case, vector_cases.AVL, v.vl())
        self.put(case, vector_cases.VTYPE, v.vtype.bits(rng))
        self.put(case, vector_cases.VSTART, v.start())
        self.put(case, vector_cases.VCSR, rng.randrange(8))
        if kinds['rs1'] == '(rs1)':
            at = BASE + self.data_at + case.data + case.memory + vector_cases.MEMORY // 2
            self.put(case, X1, at + (rng.randrange(-64, 65) if rng.randrange(3) else 0))
            reach = (vector_cases.MEMORY // 2 - 200) // (v.vtype.vlmax(v.vlen) + 1)
            self.put(case, X2, rng.randrange(-min(reach, 70), min(reach, 70) + 1))
        if v.action == 'vsetvl' and rng.randrange(4):
            self.put(case, X2, v.vtype.bits(rng))

    def pointer(self, case, base):
        offset = BASE + self.data_at + case.data - self.pc()
        high = offset + 0x800 >> 12
        self.emit((high & 0xfffff) << 12 | base << 7 | 0x17)
        self.emit(addi(base, base, offset - (high << 12)))

    def load_vector(self, case, v, kinds, base, tmp, avl, vtype):
        self.pointer(case, base)
        for at, csr in ((FCSR, 0x003), (vector_cases.VCSR, 0x00f)):
            self.emit(ld(tmp, base, at))
            self.emit(csr << 20 | tmp << 15 | 1 << 12 | 0x73)
        self.emit(addi(tmp, base, vector_cases.REGISTERS))
        for first in (0, 8, 16, 24):
            self.emit(0xe2800007 | tmp << 15 | first << 7)          # vl8re8.v
            self.emit(addi(tmp, tmp, v.vlen))
        if kinds['rs1'] == 'fs1':
            self.emit(fld(v.get('rs1'), base, F1))
        for name, at in (('rd', XD), ('rs2', X2), ('rs1', X1)):
            if kinds[name] and not kinds[name].startswith('f') and v.get(name):
                self.emit(ld(v.get(name), base, at))
        self.emit(ld(avl, base, vector_cases.AVL))
        # What is known when translating goes other ways than what is not, and what is known may be less than all.
        if self.get(case, vector_cases.AVL) < 32 and self.rng.randrange(3) == 0:
            self.emit(0xc0007057 | self.get(case, vector_cases.VTYPE) << 20 | self.get(case, vector_cases.AVL) << 15) # vsetivli x0
        elif self.rng.randrange(4):
            self.emit(self.get(case, vector_cases.VTYPE) << 20 | avl << 15 | 7 << 12 | 0x57)       # vsetvli x0
        else:
            self.emit(ld(vtype, base, vector_cases.VTYPE))
            self.emit(0x80007057 | vtype << 20 | avl << 15)         # vsetvl x0
        if self.rng.randrange(3) == 0: # a block that begins with what the hart has
            self.emit(0x0040006f)                                   # jal x0, .+4
        if self.get(case, vector_cases.VSTART):
            self.emit(ld(tmp, base, vector_cases.VSTART))
            self.emit(0x00801073 | tmp << 15)

    def store_vector(self, v, kinds, base, tmp):
        if kinds['rd']:
            self.emit(fsd(v.get('rd'), base, OUT_F) if kinds['rd'] == 'fd' else sd(v.get('rd'), base, OUT_X))
        for at, csr in ((OUT_FCSR, 0x003), (vector_cases.OUT_VL, 0xc20), (vector_cases.OUT_VTYPE, 0xc21), (vector_cases.OUT_VSTART, 0x008),
                        (vector_cases.OUT_VCSR, 0x00f)):
            self.emit(csr << 20 | 2 << 12 | tmp << 7 | 0x73)
            self.emit(sd(tmp, base, at))
        self.emit(addi(tmp, base, vector_cases.REGISTERS))
        for _ in range(4):
            self.emit(addi(tmp, tmp, v.vlen))
        for first in (0, 8, 16, 24):
            self.emit(0xe2800027 | tmp << 15 | first << 7)          # vs8r.v
            self.emit(addi(tmp, tmp, v.vlen))

    def place(self, case, memory):
        if memory:
            self.data += bytes(-len(self.data) % 64)
        case.has_area = memory
        case.data = len(self.data)
        self.data += bytes(AREA) + (self.rng.randbytes(AREA_SIZE) if memory else b'')

    def put(self, case, offset, value):
        struct.pack_into('<Q', self.data, case.data + offset, value & MASK)

    def get(self, case, offset):
        return struct.unpack_from('<Q', self.data, case.data + offset)[0]

    def inputs(self, case, f, row, action):
        v, rng = self.values, self.rng
        name = self.table.expanded(row).name
        fmt = name.split('.')[-1] if name.split('.')[-1] in Values.FORMATS else 'd'
        self.put(case, X1, v.integer())
        self.put(case, X2, self.get(case, X1) if action == 'branch' and rng.randrange(3) == 0 else v.integer())
        self.put(case, XD, v.integer())
        self.put(case, F1, v.floating(fmt))
        self.put(case, F2, v.floating(fmt, self.get(case, F1)))
        self.put(case, F3, v.floating(fmt, self.get(case, F2)))
        self.put(case, FD, v.floating(fmt))
        self.put(case, FCSR, rng.randrange(5) << 5 | (rng.getrandbits(5) if rng.getrandbits(1) else 0))
        if case.has_area:
            size = self.access_size(row)
            at = BASE + self.data_at + case.data + AREA + 32
            if action in ALIGNED:
                at += size * rng.randrange(-2, 3)
            else:
                at += rng.randrange(-24, 25) if rng.randrange(3) else size * rng.randrange(-3, 4)
            self.put(case, X1, at - f.get('imm', 0))
            if action.startswith('amocas') and rng.randrange(4):    # what is expected is there
                there = int.from_bytes(self.data[at - BASE - self.data_at:][:size], 'little')
                self.put(case, XD, there | (rng.getrandbits(64) << 8 * size))
                self.put(case, FD, there >> 64)

    def access_size(self, row):
        action = self.table.expanded(row).action
        digits = ''.join(c for c in action if c.isdigit())
        return int(digits) // 8 if digits else 1

    def load(self, case, f, base, tmp, operands, floats):
        offset = BASE + self.data_at + case.data - self.pc()
        high = offset + 0x800 >> 12
        self.emit((high & 0xfffff) << 12 | base << 7 | 0x17)
        self.emit(addi(base, base, offset - (high << 12)))
        if floats:
            self.emit(ld(tmp, base, FCSR))
            self.emit(0x00301073 | tmp << 15)
        for name, operand, at in (('rd', 'fd', FD), ('rs1', 'fs1', F1), ('rs2', 'fs2', F2), ('rs3', 'fs3', F3)):
            if operand in operands:
                self.emit(fld(f[name], base, at))
        if self.table.expanded(case.row).action.startswith('amocas_q'):
            for name, at in (('rd', FD), ('rs2', F2)):
                if f[name]:
                    self.emit(ld(f[name] + 1, base, at))
        for name, at in (('rd', XD), ('rs2', X2), ('rs1', X1)):
            if name in f and f[name] and f'f{name[1:]}' not in operands:
                self.emit(ld(f[name], base, at))

    def aim(self, row, word):
        """Sends a branch or jump to one of the places that body lays out."""
        length = size_of(word)
        return row.put(word, 'imm', self.rng.choice((length + 4, -8)))

    def body(self, case, f, base, tmp, action):
        word, row = case.word, case.row
        if action in ('branch', 'jal', 'jalr'):
            return self.body_jump(case, f, base, tmp, action)
        if action == 'sc' and self.rng.randrange(5):
            lr = 0x1000202f | ((row.value >> 12 & 7) == 3) << 12
            self.emit(lr | f['rs1'] << 15 | tmp << 7)
            if self.rng.randrange(5) == 0:
                self.emit(sd(tmp, f['rs1'], 0) & ~0x7000 | 0 << 12)     # sb: may change what LR saw
        case.address = self.pc()
        self.emit(word)
        return None

    def body_jump(self, case, f, base, tmp, action):
        word, length = case.word, size_of(case.word)
        backward = self.rng.getrandbits(1) if action == 'jalr' else f['imm'] < 0
        self.emit(addi(tmp, 0, 1))
        if backward:
            self.emit(jump(12))
            self.emit(addi(tmp, 0, 3))
            self.emit(jump(4 + length + 4))
        case.address = self.pc()
        if action == 'jalr':
            target = case.address - 8 if backward else case.address + length + 4
            self.put(case, X1, target - f.get('imm', 0) + self.rng.getrandbits(1))
        self.emit(word)
        self.emit(addi(tmp, 0, 2))
        self.emit(sd(tmp, base, OUT_FLAG))

    def finish(self):
        """The flat image."""
        at, size = BASE + self.data_at, len(self.data)
        for reg, value in ((11, at), (12, size)):
            low = (value & 0xfff ^ 0x800) - 0x800
            self.emit((value - low >> 12 & 0xfffff) << 12 | reg << 7 | 0x37)
            self.emit(addi(reg, reg, low))
            self.emit(reg << 15 | 32 << 20 | 1 << 12 | reg << 7 | 0x13)           # slli, srli: upper half is 0
            self.emit(reg << 15 | 32 << 20 | 5 << 12 | reg << 7 | 0x13)
        for reg, value in ((10, 1), (17, 64)):
            self.emit(addi(reg, 0, value))
        self.emit(0x73)
        self.emit(addi(10, 0, 0))
        self.emit(addi(17, 0, 93))
        self.emit(0x73)
        assert len(self.code) <= self.data_at, 'code reaches the data'
        return bytes(self.code) + bytes(self.data_at - len(self.code)) + bytes(self.data)


def elf(image):
    """A static executable of one writable, executable segment at BASE."""
    header = struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\x02\x01\x01' + bytes(9), 2, 243, 1, BASE, 64, 0, 5, 64, 56, 1, 0, 0, 0)
    segment = struct.pack('<IIQQQQQQ', 1, 7, 4096, BASE, BASE, len(image), len(image), 4096)
    return (header + segment).ljust(4096, b'\0') + image

# tests/isa/vector_cases.py - random cases of vector rows: all registers, vtype, vl, vstart, masks, memory.
"""What is legal is said here once more, from the manual's chapter "V" (sections 3.4, 5.2, 7), and a bit narrower: cases may not trap."""
import os
import re

SEW, WIDE, HALF, QUARTER, EIGHTH = 0, 1, -1, -2, -3
AVL, VTYPE, VSTART, VCSR, OUT_VL, OUT_VTYPE, OUT_VSTART, OUT_VCSR = range(128, 192, 8)
OUTPUTS = ((OUT_VL, 'vl'), (OUT_VTYPE, 'vtype'), (OUT_VSTART, 'vstart'), (OUT_VCSR, 'vcsr'))
REGISTERS = 256
MEMORY = 4096


def read_operations():
    """vector_ops.def: the shape of each operation."""
    path = os.path.join(os.path.dirname(__file__), '../../target/riscv/vector_ops.def')
    with open(path, encoding='utf-8') as f:
        return {m[0]: m[1:] for m in re.findall(r'^VECTOR\((\w+), (\w+), (\w+), (\w+), (\w+), (.*)\)$', f.read(), re.M)}


OPERATIONS = read_operations()
SHIFTS = {'SEW': 0, 'WIDE': 1, 'HALF': -1, 'QUARTER': -2, 'EIGHTH': -3}


class Group:
    """Registers of an operand: log2 of their number, log2 of an element's bits (0: a mask)."""

    def __init__(self, emul, eew):
        self.emul, self.eew, self.first = emul, eew, 0

    def span(self):
        return 1 << max(self.emul, 0)

    def legal(self):
        return -3 <= self.emul <= 3

    def overlaps(self, other):
        return self.first < other.first + other.span() and other.first < self.first + self.span()

    def may_overlap(self, source):
        if not self.overlaps(source):
            return True
        if self.eew <= source.eew:
            return self.first == source.first
        return source.emul >= 0 and self.first + self.span() == source.first + source.span() and self.span() > source.span()


class Vtype:
    def __init__(self, sew, lmul):
        self.sew, self.lmul = sew, lmul         # log2 of bits; log2

    def bits(self, rng):
        return (self.lmul & 7) | (self.sew - 3) << 3 | rng.getrandbits(2) << 6

    def vlmax(self, vlen):
        return int(vlen * 2.0 ** self.lmul) >> self.sew


def group_of(kind, vtype):
    if kind in SHIFTS:
        return Group(vtype.lmul + SHIFTS[kind], vtype.sew + SHIFTS[kind])
    if kind == '16':
        return Group(vtype.lmul + 4 - vtype.sew, 4)
    return Group(0, 0) if kind in ('BITS', 'KEY') else None  # a key: registers have 128 bits and more here


class VectorCase:
    """Chooses vtype and registers for one case of a row."""

    def __init__(self, table, row, rng, vlen):
        self.table, self.row, self.rng, self.vlen = table, row, rng, vlen
        self.split_action()
        while True:
            self.vtype = self.choose_vtype()
            self.word = self.overlapping(table.random_word(row, rng))
            if self.choose():
                break

    def overlapping(self, word):
        """Now and then a source is the destination, or its highest part."""
        for field, at in (('rs2', 20), ('rs1', 15)):
            is_vector = field == 'rs2' or (self.action == 'vector' and self.args[1:] == ['V'])
            if is_vector and {'rd', field} <= set(self.row.fields) and self.rng.randrange(4) == 0:
                word = word & ~(31 << at) | ((word >> 7 & 31) + self.rng.choice((0, 0, 1, 2, 4)) & 31) << at
        return word

    def split_action(self):
        self.action, self.args = re.fullmatch(r'(\w+)\((.*)\)', self.row.action).groups()
        self.args = [a.strip() for a in self.args.split(',')]

    def choose_vtype(self):
        while True:
            vtype = Vtype(self.rng.randrange(3, 7), self.rng.randrange(-3, 4))
            if vtype.lmul >= 0 or 64 >> -vtype.lmul >= 1 << vtype.sew:
                return vtype

    def get(self, field):
        return self.row.get(self.word, field) if field in self.row.fields else 0

    def place(self, field, group):
        if group:
            group.first = self.get(field)
        return not group or (group.legal() and group.first % group.span() == 0)

    def choose(self):
        if self.action.startswith('vset'):
            return True
        if self.action in ('vector_load', 'vector_store'):
            return self.choose_memory()
        return self.choose_operation()

    def masked(self):
        return 'vm' in self.row.fields and self.get('vm') == 0

    def floats(self, op):
        """The element widths that must be floating-point ones."""
        rules = OPERATIONS[op][4]
        scalar = len(self.args) > 1 and self.args[1] == 'F' and 'FP_WIDE' not in rules
        widths = ([self.vtype.sew] if scalar or re.search(r'VECTOR_FP\b', rules) else []) + \
            ([self.vtype.sew + 1] if 'VECTOR_FP_WIDE' in rules else [])
        return widths

    def together(self):
        """Elements that belong together: vl and vstart are multiples."""
        rules = OPERATIONS[self.args[0]][4] if self.action == 'vector' else ''
        return 4 if 'GROUPS_4' in rules else 8 if 'GROUPS_8' in rules else 1

    def choose_operation(self):
        op, form = self.args[0], self.args[1] if len(self.args) > 1 else 'V'
        _, d_kind, s2_kind, s1_kind, rules = OPERATIONS[op]
        if op in ('MV1R', 'MV2R', 'MV4R', 'MV8R'):
            count = int(op[2])
            return self.get('rd') % count == 0 and self.get('rs2') % count == 0
        if any(w not in (4, 5, 6) for w in self.floats(op)):
            return False
        if ('WIDE' in (d_kind, s2_kind) or 'SUM_WIDE' in rules) and self.vtype.sew == 6:
            return False
        if 'SEW_64' in rules and self.vtype.sew != 6:
            return False
        # QEMU has no SHA-2 at fractional LMUL, where the manual asks for LMUL * VLEN >= EGW alone.
        if ('SEW_32' in rules and self.vtype.sew != 5) or ('SHA2' in rules and (self.vtype.sew < 5 or self.vtype.lmul < 0)):
            return False
        if self.vtype.vlmax(self.vlen) < self.together():
            return False
        d, s2, s1 = group_of(d_kind, self.vtype), group_of(s2_kind, self.vtype), group_of(s1_kind, self.vtype) if form == 'V' else None
        self.picks = s1
        if s2_kind in SHIFTS and s2.eew < 3:
            return False
        if not (self.place('rd', d) and self.place('rs2', s2) and self.place('rs1', s1)):
            return False
        if d and d.first == 0 and d_kind != 'BITS' and (self.masked() or 'USES_V0' in rules):
            return False
        if d and d.first == 0 and 'NOT_V0' in rules and self.masked():
            return False
        if d and any(s and not (d.may_overlap(s) if 'APART' not in rules else not d.overlaps(s)) for s in (s2, s1)):
            return False
        # Oracles judge sources of two widths in one register differently (section 5.2 reserves them).
        sources = [s for s in (s2, s1) if s] + ([Group(0, 0)] if self.masked() or 'USES_V0' in rules else [])
        return all(not a.overlaps(b) or a.eew == b.eew for a in sources for b in sources)

    def choose_memory(self):
        access, width = self.args[0], int(self.args[1])
        load, fields = self.action == 'vector_load', (self.word >> 29) + 1
        if access == 'WHOLE':
            return self.get('rd') % fields == 0
        if access == 'MASK':
            return True
        eew = width.bit_length() - 1
        emul = self.vtype.lmul + eew - self.vtype.sew
        data = Group(self.vtype.lmul, self.vtype.sew) if access == 'INDEXED' else Group(emul, eew)
        self.index = Group(emul, eew) if access == 'INDEXED' else None
        if not self.place('rd', data) or fields * data.span() > 8 or data.first + fields * data.span() > 32:
            return False
        if not self.place('rs2', self.index):
            return False
        mask = Group(0, 0)
        whole = Group(0, data.eew)
        whole.first = data.first
        whole.span = lambda: fields * data.span()
        if self.masked() and (whole.overlaps(mask) or (self.index and self.index.overlaps(mask))):
            return False
        if not self.index:
            return True
        if fields > 1 or not load:
            return not whole.overlaps(self.index)
        return data.may_overlap(self.index)

    # --- contents ---

    def registers(self, values):
        """Bytes of all registers, interesting for this row."""
        rng, size = self.rng, 32 * self.vlen // 8
        if self.action == 'vector' or self.action.startswith('vector_to'):
            widths = self.floats(self.args[0])
            if widths:
                out = bytearray()
                while len(out) < size:
                    bits, frac, bias = {4: (16, 10, 15), 5: (32, 23, 127), 6: (64, 52, 1023)}[rng.choice(widths)]
                    for _ in range(64 // bits):
                        near = int.from_bytes(out[-bits // 8:], 'little') if out else None
                        out += values.number(bits, frac, bias, near).to_bytes(bits // 8, 'little')
                return out
        out = bytearray(rng.randbytes(size))
        for at in range(0, size, 8):
            if rng.getrandbits(1):
                out[at:at + 8] = values.integer().to_bytes(8, 'little')
        if self.action.startswith('vector_') and getattr(self, 'index', None):
            self.fill(out, self.index, 256)
        if self.args[0].startswith('RGATHER') and self.args[1] == 'V':
            self.fill(out, self.picks, min(256, 2 * self.vtype.vlmax(self.vlen)))
        return out

    def fill(self, out, group, limit):
        """Elements of a group become numbers below a limit."""
        step, begin = 1 << group.eew - 3, group.first * self.vlen // 8
        for at in range(begin, begin + group.span() * self.vlen // 8, step):
            out[at:at + step] = self.rng.randrange(limit).to_bytes(step, 'little')

    def vl(self):
        vlmax, n = self.vtype.vlmax(self.vlen), self.together()
        if n > 1:
            return self.rng.choice((vlmax, vlmax, n * self.rng.randrange(vlmax // n + 1), 0, 2 * vlmax))
        return self.rng.choice((vlmax, vlmax, vlmax // 2, self.rng.randrange(vlmax + 1), self.rng.randrange(vlmax + 1), 0, vlmax + 1, 2 * vlmax - 1, 5))

    def start(self):
        """vstart; most instructions see 0 there, some must."""
        rules = OPERATIONS[self.args[0]][4] if self.action == 'vector' or self.action.startswith('vector_to') else ''
        if self.together() > 1 or self.action.startswith('vset') or 'FROM_0' in rules or self.args[0] == 'FIRST' or self.rng.randrange(8):
            return 0
        if self.args[0] == 'WHOLE': # QEMU 10.0 aborts beyond the registers
            return self.rng.randrange(self.vlen // int(self.args[1]))
        return self.rng.randrange(min(self.vlen, self.vtype.vlmax(self.vlen) + 2))

# tests/random/rewriting.py - code that writes code: a part of the generator of random programs.
import struct

import cases

LINKS = (1, 5)     # registers for return addresses


class Rewriting:
    """What generate.Generator inherits: it has `code`, `rng`, `slots` (places in the code whose instruction may change) and the words."""

    def modify(self):
        """Writes an instruction further on, from its own table, and fences."""
        r = self.rng
        words = [self.word("integer", rd=self.writable()) for _ in range(4)]
        words = [w if w & 3 == 3 else cases.addi(self.writable(), self.source(), 1) for w in words]
        self.emit(3 << 20 | self.source() << 15 | 7 << 12 | 28 << 7 | 0x13)
        self.emit(2 << 20 | 28 << 15 | 1 << 12 | 28 << 7 | 0x13)
        self.auipc(26)
        base = len(self.code) - 4
        self.emit(28 << 20 | 26 << 15 | 28 << 7 | 0x33)
        table = len(self.code)
        self.later()                                    # lw x28, table(x28)
        self.later()                                    # sw x28, slot(x26)
        self.emit(0x0000100f)
        skip = len(self.code)
        self.later()
        where = len(self.code)
        for w in words:
            self.emit(w)
        struct.pack_into("<I", self.code, skip, cases.jump(len(self.code) - skip))
        if r.randrange(2):
            self.straight(4)
        slot = len(self.code)
        self.emit(words[0])
        struct.pack_into("<I", self.code, table, (where - base) << 20 | 28 << 15 | 2 << 12 | 28 << 7 | 0x03)
        offset = slot - base
        struct.pack_into("<I", self.code, table + 4, (offset >> 5) << 25 | 28 << 20 | 26 << 15 | 2 << 12 | (offset & 31) << 7 | 0x23)

    # --- instructions that a loop writes again and again, behind fences ---

    def word_of_32(self):
        """What a slot may hold: an instruction, two short ones, a jump or a branch over the words behind it."""
        r = self.rng
        kind = r.randrange(8)
        if kind == 0:
            return cases.jump(r.choice((4, 8, 12)))
        if kind == 1:
            return self.branch(self.random_branch(), r.choice((4, 8, 12)))
        words = [self.word("plain"), self.word("plain")]
        whole = [w for w in words if w & 3 == 3]
        return whole[0] if whole else words[0] | words[1] << 16

    def whole_word(self):
        while True:
            word = self.word("plain")
            if word & 3 == 3:
                return word

    def slot(self):
        """A place whose instruction changes, and two words behind it."""
        if self.rng.randrange(4) == 0:
            self.emit(1)                                # c.nop: over the end of a line, a page
        self.slots.append(len(self.code))
        self.others.append(len(self.code))
        self.code += self.word_of_32().to_bytes(4, "little")
        for _ in range(2):
            self.code += self.whole_word().to_bytes(4, "little")

    def relative(self, rd, at):
        """The address of a place in the code."""
        offset = at - len(self.code)
        self.emit((offset + 0x800 & 0xfffff000) | rd << 7 | 0x17)
        self.emit(cases.addi(rd, rd, offset & 0xfff))

    def rewrite(self, slot=None):
        """A loop that stores to data nearly always, else into code (that slot, or any), with a fence behind the store: blocks are linked, in loops of tier 2, when they change."""
        r = self.rng
        table = self.table_of_words()
        self.li(30, r.choice((10, 40, 200, 600)))
        begin = len(self.code)
        near = 2 if slot else r.randrange(3 if self.slots else 2)       # what is changed: behind the fence, in front of the store, wherever there is a slot
        if near == 1:
            self.slot()
        self.emit(r.randrange(3) << 20 | 30 << 15 | 5 << 12 | 27 << 7 | 0x13)             # srli x27, x30: which word
        self.emit(3 << 20 | 27 << 15 | 7 << 12 | 27 << 7 | 0x13)                          # andi 3
        self.emit(2 << 20 | 27 << 15 | 1 << 12 | 27 << 7 | 0x13)                          # slli 2
        self.relative(28, table)
        self.emit(28 << 20 | 27 << 15 | 28 << 7 | 0x33)
        self.emit(28 << 15 | 2 << 12 | 27 << 7 | 0x03)                                    # lw x27, (x28)
        self.emit(r.choice((1, 3, 7, 15, 31, 63)) << 20 | 30 << 15 | 7 << 12 | 28 << 7 | 0x13)
        self.emit(1 << 20 | 28 << 15 | 3 << 12 | 28 << 7 | 0x13)                          # seqz
        self.emit(0x40000033 | 28 << 20 | 28 << 7)                                        # neg: all ones where code is written
        place = len(self.code)
        self.code += bytes(8)
        self.emit(0x40000033 | 31 << 20 | 26 << 15 | 26 << 7)                             # sub x26, x26, x31
        self.emit(26 << 20 | 28 << 15 | 7 << 12 | 26 << 7 | 0x33)                         # and x26, x28, x26
        self.emit(31 << 20 | 26 << 15 | 26 << 7 | 0x33)                                   # add x26, x26, x31
        for _ in range(r.randrange(4)):
            self.plain()
        self.emit(27 << 20 | 26 << 15 | 2 << 12 | 0x23)                                   # sw x27, (x26)
        for _ in range(r.choice((0, 0, 1))):
            self.plain()
        self.emit(0x0000100f)
        for _ in range(r.choice((0, 0, 1, 12))):
            self.plain()
        if near == 0:
            self.slot()
        at = slot or (self.slots[-1] if near < 2 else r.choice(self.slots))
        if self.functions and r.randrange(2):
            self.call()
        self.turn(30, begin)
        end, self.code = self.code, self.code[:place]
        self.relative(26, at)
        self.code += end[place + 8:]

    def table_of_words(self):
        """Four words in the code that are jumped over, for slots in functions, too; where they are."""
        self.emit(cases.jump(20))
        at, busy = len(self.code), self.busy
        self.busy = busy | set(LINKS)
        for _ in range(4):
            self.code += self.word_of_32().to_bytes(4, "little")
        self.busy = busy
        return at

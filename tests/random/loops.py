# tests/random/loops.py - loops that tier 2 takes: a part of the generator of random programs.
import random

import cases
from idioms import of_registers


class Loops:
    """What generate.Generator inherits: it has `code`, `rng`, `weights`, `slots`, `others` and the words."""

    def point(self, pointers):
        for pointer in pointers:
            self.li(pointer, self.rng.randrange(0, 1 << 15, 8))
            self.emit(31 << 20 | pointer << 15 | pointer << 7 | 0x33)

    def turn(self, counter, begin):
        """The way back."""
        self.emit(cases.addi(counter, counter, -1))
        self.emit(self.branch(1 << 12 | counter << 15 | 0x63, begin - len(self.code)))

    def plain_access(self, base):
        self.emit(self.displaced(base, self.rng.choice((0, 0, 8, 16, -8, 24)))[1])

    def plain_body(self, pointers):
        for _ in range(self.rng.randrange(1, 6)):
            kind = self.rng.randrange(8)
            if kind == 7 and self.weights["floating"]:
                self.quiet_comparison(False)
            elif kind >= 6:
                self.slot()
            elif kind == 0:
                at = len(self.code)
                self.emit(self.random_branch())
                for _ in range(self.rng.randrange(1, 4)):
                    self.plain()
                self.patch_branch(at, len(self.code) - at)
            elif kind == 1 and self.weights["floating"]:
                self.emit(self.word("floating"))
            elif kind <= 3:
                self.plain_access(self.rng.choice(pointers))
            else:
                self.plain()

    def plain_loop(self):
        """Streams through data, to the ends of pages and over them, counted or left by a branch."""
        pointers = self.rng.choice(((28,), (28, 26)))
        self.point(pointers)
        self.li(30, self.rng.choice((3, 30, 300, 600)))
        begin, leave = len(self.code), None
        self.plain_body(pointers)
        if self.rng.randrange(4) == 0:
            leave = len(self.code)
            self.emit(self.rng.choice((0, 1, 4, 5, 6, 7)) << 12 | self.source() << 15 | self.source() << 20 | 0x63)
            self.plain_body(pointers)
        for _ in range(self.rng.choice((0, 0, 1, 3))):
            self.plain()
        for pointer in pointers:
            if self.rng.randrange(5):
                self.emit(cases.addi(pointer, pointer, self.rng.choice((8, 8, 16, 24, 4, 1, -8, -16, 64))))
        self.turn(30, begin)
        if leave is not None:
            self.patch_branch(leave, len(self.code) - leave)

    def short_nest(self):
        """A loop of a few turns inside one of many, both through data: as long as samples take to meet it, if it is the only thing that lasts."""
        r = self.rng
        self.point((28, 26))
        self.li(30, r.choice((30, 300, 300, 3000)))
        begin = len(self.code)
        self.plain_body((28,))
        turns, step = r.randrange(2, 5), r.choice((8, 8, 16, 24, 4, -8))
        self.li(27, turns)
        inner = len(self.code)
        for _ in range(r.randrange(1, 4)):
            self.plain_access(r.choice((26, 26, 26, 28)))
            if self.weights["floating"] and r.randrange(2):
                self.emit(self.word("floating"))
        self.emit(cases.addi(26, 26, step))
        self.turn(27, inner)
        if r.randrange(4):
            self.emit(cases.addi(26, 26, -step * turns))
        if r.randrange(2):
            self.emit(cases.addi(28, 28, r.choice((8, -8, 16))))
        self.turn(30, begin)

    def elements(self):
        """The same arithmetic on each element of arrays of numbers, which may overlap."""
        r = self.rng
        double = r.randrange(2)
        size, width, memory, count = 4 << double, (2 + double) << 12, (28, 26), r.choice((3, 30, 300))
        self.point(memory)
        bound = r.randrange(2)
        if bound:
            self.li(27, size * count)
            self.emit(of_registers(0, 28, 27, 0, 27))                                           # add
        else:
            self.li(27, count)
        begin = len(self.code)
        for pointer in memory[:r.randrange(1, 3)]:
            self.emit(r.choice((0, 0, 0, size)) << 20 | pointer << 15 | width | pointer - 25 << 7 | 0x07)
        for _ in range(r.randrange(1, 4)):
            a, b, c, rd = (r.choice((1, 3, 4, 5)) for _ in range(4))
            kind = r.choice((0x00, 0x04, 0x08, 0x0c, 0x2c, None))                               # add, sub, mul, div, sqrt, fused
            if kind is None:
                self.emit(c << 27 | double << 25 | b << 20 | a << 15 | 7 << 12 | rd << 7 | 0x43)
            else:
                self.emit(of_registers(kind | double, 0 if kind == 0x2c else b, a, 7, rd, 0x53))
        self.emit(r.choice((1, 3, 4, 5)) << 20 | r.choice(memory) << 15 | width | 0x27)         # at 0
        for pointer in memory:
            self.emit(cases.addi(pointer, pointer, size))
        if bound:
            self.emit(self.branch(1 << 12 | 27 << 20 | 28 << 15 | 0x63, begin - len(self.code)))
        else:
            self.turn(27, begin)

    def lanes(self, sew):
        """An operation on the elements of v8, v16, v24."""
        r = self.rng
        scalar = r.randrange(3) == 0
        if sew >= 2 and r.randrange(2):
            word = r.choice((0x00, 0x02, 0x24, 0x2c, 0x2c)) << 26 | (5 if scalar else 1) << 12      # vfadd, vfsub, vfmul, vfmacc
        else:
            word = r.choice((0x00, 0x02, 0x04, 0x05, 0x07, 0x09, 0x0a, 0x0b)) << 26 | (4 if scalar else 0) << 12
        second = self.source() if scalar else r.choice((8, 16, 24))
        self.emit(word | 1 << 25 | r.choice((8, 16, 24)) << 20 | second << 15 | r.choice((8, 16, 24)) << 7 | 0x57)

    def strips(self):
        """A strip-mined loop. With vectors off it ends, too: x27 keeps its 8."""
        r = self.rng
        sew, pointers = r.randrange(4), (28, 26)
        memory = (0, 5, 6, 7)[sew] << 12 | 1 << 25
        self.point(pointers)
        self.li(30, r.choice((8, 40, 200, 600, 1200)))
        self.li(27, 8)
        begin = len(self.code)
        self.emit(0x7057 | (r.randrange(4) << 6 | sew << 3 | r.randrange(4)) << 20 | 30 << 15 | 27 << 7)
        self.emit(memory | 28 << 15 | 8 << 7 | 0x07)
        if r.randrange(2):
            self.emit(memory | 26 << 15 | 16 << 7 | 0x07)
        for _ in range(r.randrange(3)):
            self.lanes(sew)
        leave = self.search() if r.randrange(2) else None
        for _ in range(r.randrange(3) if leave is not None else 0):     # what a turn that leaves has not done
            if r.randrange(2):
                self.lanes(sew)
            else:
                self.li(self.writable(), r.randrange(64))
        if r.randrange(4):
            self.emit(memory | 26 << 15 | r.choice((8, 16)) << 7 | 0x27)
        self.emit(0x40000033 | 27 << 20 | 30 << 15 | 30 << 7)
        for pointer in pointers:
            for _ in range(1 << sew):
                self.emit(27 << 20 | pointer << 15 | pointer << 7 | 0x33)
        self.emit(self.branch(1 << 12 | 30 << 15 | 0x63, begin - len(self.code)))
        if leave is not None:
            self.patch_branch(leave, len(self.code) - leave)

    def search(self):
        """A comparison, and a branch out of the loop where it holds for a lane; where the branch is. With vectors off it ends, too: x29 is a number below 0."""
        r = self.rng
        self.emit(0xfff00e93)                                                                                           # li x29, -1
        scalar = r.randrange(2)
        word = r.choice((0x18, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d) + ((0x1e, 0x1f) if scalar else ())) << 26 | (4 if scalar else 0) << 12
        self.emit(word | 1 << 25 | r.choice((8, 16, 24)) << 20 | (self.source() if scalar else r.choice((8, 16, 24))) << 15 | 0x57)   # vms...v0
        self.emit(0x4208aed7)                                                                                           # vfirst.m x29, v0
        at = len(self.code)
        self.emit(5 << 12 | 29 << 15 | 0x63)                                                                            # bgez x29
        return at

    def page_end(self):
        """A loop over a page's end, wherever in it that lies; perhaps one that writes into it, for the next time."""
        r = self.rng
        kind = r.choice((self.plain_loop, self.plain_loop, self.loop, self.nest, self.short_nest, self.plain_loop if self.shared else self.rewrite, self.strips if self.weights["vector"] else self.plain_loop))
        at, slots, others, before = len(self.code), len(self.slots), len(self.others), r.getstate()
        kind()
        size = len(self.code) - at
        del self.code[at:], self.slots[slots:], self.others[others:]
        distance = -at % 4096 - random.Random(at).randrange(2, size, 2)     # not by r, which makes the same loop once more
        if distance >= 4:
            self.emit(cases.jump(distance))
            self.code += bytes(distance - 4)
        r.setstate(before)
        kind()
        if len(self.slots) > slots and r.randrange(2) and not self.shared:
            self.rewrite(r.choice(self.slots[slots:]))

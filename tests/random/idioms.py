# tests/random/idioms.py - what compilers write and translators recognise, with other instructions in between: a part of the generator of random programs.
import cases


def of_registers(funct7, rs2, rs1, funct3, rd, opcode=0x33):
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


class Idioms:
    """What generate.Generator inherits: it has `code`, `rng`, `weights` and the words."""

    def between(self):
        """What may come between two instructions that belong together: most of it clears or copies a register."""
        r = self.rng
        for _ in range(r.choice((0, 0, 1, 1, 2, 3))):
            rd, rs = self.writable(), self.source()
            kind = r.randrange(6)
            if kind == 0:
                self.emit(cases.addi(rd, 0, r.choice((0, 0, 1, -1))))
            elif kind == 1:
                self.emit(cases.addi(rd, rs, 0))
            elif kind == 2:
                self.emit(r.choice((of_registers(0, rs, rs, 4, rd), of_registers(0x20, rs, rs, 0, rd), of_registers(0, rs, rs, 3, rd))))  # xor, sub, sltu
            else:
                self.plain()

    def carry(self):
        """A sum or difference, whether it overflowed, and that added to the next word."""
        r = self.rng
        a, b, word, flag = self.source(), self.source(), self.writable(), self.writable()
        if r.randrange(2):
            self.emit(of_registers(0, b, a, 0, word))                                           # add, sltu
            self.between()
            self.emit(of_registers(0, r.choice((a, b)), word, 3, flag))
        else:
            self.emit(of_registers(0x20, b, a, 0, word))                                        # sub, sltu
            self.between()
            self.emit(of_registers(0, b, a, 3, flag))
        self.between()
        other, rd = self.source(), self.writable()
        self.emit(r.choice((of_registers(0, flag, other, 0, rd), of_registers(0, other, flag, 0, rd), of_registers(0x20, flag, other, 0, rd))))

    def quiet_comparison(self, vectors=True):
        """frflags, a comparison, fsflags: nothing is raised but by what lies between them, and that is taken back, too."""
        r = self.rng
        vtype = self.configure() if vectors and self.weights["vector"] and r.randrange(2) else None
        flags = self.writable()

        def arithmetic():
            for _ in range(r.choice((0, 0, 1, 2))):
                self.emit_vector(self.vector_word(vtype) if vtype and r.randrange(2) else self.word("floating"))

        self.emit(0x00102073 | flags << 7)
        arithmetic()
        self.emit(of_registers(r.choice((0x50, 0x51)), self.source(), self.source(), r.choice((0, 1, 1, 2)), self.writable(), 0x53))
        arithmetic()
        self.emit(0x00101073 | flags << 15)
        if r.randrange(2):
            self.emit(cases.addi(flags, r.choice((0, 0, flags)), 1))                            # nobody wants them any more

    def two_of_a_kind(self):
        """Two instructions with the same operands, and an `or` of both: halves of a product, quotient and remainder, rotations, extensions."""
        r = self.rng
        a, b, first, second = self.source(), self.source(), self.writable(), self.writable()
        kind = r.randrange(3)
        if kind == 0:
            one, other = r.choice(((0, 3), (0, 1), (0, 2), (4, 6), (5, 7)))                     # mul mulhu, mul mulh, mul mulhsu, div rem, divu remu
            opcode = 0x3b if one >= 4 and r.randrange(2) else 0x33
            words = of_registers(1, b, a, one, first, opcode), of_registers(1, b, a, other, second, opcode)
        else:
            bits, opcode = r.choice(((32, 0x1b), (64, 0x13)))
            n = r.randrange(1, bits)
            left = n << 20 | a << 15 | 1 << 12 | first << 7 | opcode
            right = (bits - n) << 20 | (a if kind == 1 else first) << 15 | 5 << 12 | second << 7 | opcode | (r.randrange(2) << 30 if kind == 2 else 0)
            words = left, right
        for word in words if kind == 2 or r.randrange(2) else words[::-1]:
            self.emit(word)
            self.between()
        self.emit(of_registers(0, second, first, 6, self.writable()))

    def static_data(self):
        """What auipc is for: data at a constant distance, which mostly takes its place."""
        r = self.rng
        at = r.randrange(self.DATA_END - self.DATA >> 12) * 4096 + r.choice((0, 8, 4080, 4088, 4092, 4095, r.randrange(4096), r.randrange(0, 4096, 8)))
        distance, base = self.DATA + at - self.here(), self.writable()
        up = distance + 0x800 >> 12
        self.emit((up & 0xfffff) << 12 | base << 7 | 0x17)
        for _ in range(r.choice((0, 0, 1, 2))):
            self.emit(self.displaced(base, distance - (up << 12))[1])
        row, word = self.displaced(base, distance - (up << 12))
        if "rd" in self.rows.table.expanded(row).operands and r.randrange(4):
            word = row.put(word, "rd", base)
        self.emit(word)

    def idiom(self):
        kinds = {self.static_data: 3, self.carry: 2, self.two_of_a_kind: 2, self.quiet_comparison: min(2, self.weights["floating"])}
        self.rng.choices(list(kinds), list(kinds.values()))[0]()

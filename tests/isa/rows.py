# tests/isa/rows.py - instruction rows in Python: random encodings from insns.json, and which row a word belongs to.
import json

TRIES = 10000  # bits at random, until they are a word of a row


class Row:
    def __init__(self, item):
        self.__dict__.update(item)
        self.free = [i for i in range(self.width) if not self.mask >> i & 1]

    def matches(self, word):
        return (word & self.mask) == self.value and all((word & m) != v for m, v in self.constraints)

    def get(self, word, name):
        """The value of a field of an encoded word."""
        field = self.fields[name]
        value = sum((word >> low & ((1 << w) - 1)) << to for low, w, to in field['pieces'])
        width = max(to + w for _, w, to in field['pieces'])
        if field['signed'] and value >> (width - 1) & 1:
            value -= 1 << width
        return value + 8 if field['primed'] else value

    def put(self, word, name, value):
        """The word with a field replaced."""
        field = self.fields[name]
        if field['primed']:
            value -= 8
        for low, w, to in field['pieces']:
            mask = (1 << w) - 1
            word = word & ~(mask << low) | (value >> to & mask) << low
        return word


class Table:
    def __init__(self, path):
        with open(path, encoding='utf-8') as f:
            self.rows = [Row(item) for item in json.load(f)]
        self.by_name = {r.name: r for r in self.rows}

    def expanded(self, row):
        """The 32-bit row that says what a row does."""
        return self.by_name[row.expands] if row.expands else row

    def formals(self, row, word):
        """Fields of the expanded instruction: rd, rs1, imm ..."""
        if not row.expands:
            return {n: row.get(word, n) for n in row.fields}
        return {k: v if isinstance(v, int) else row.get(word, v) for k, v in row.bound.items()}

    def random_word(self, row, rng, **fields):
        """A word that belongs to this row and to no row carved out of it; rm is valid unless given. ValueError: none has these fields."""
        for _ in range(TRIES):
            word = row.value
            for bit in row.free:
                word |= rng.getrandbits(1) << bit
            if 'rm' in row.fields:
                word = row.put(word, 'rm', rng.choice((0, 1, 2, 3, 4, 7)))
            if row.action == 'aes_key()': # rounds beyond are illegal
                word = row.put(word, 'imm', rng.randrange(11))
            for name, value in fields.items():
                if name in row.fields:
                    word = row.put(word, name, value)
            if row.matches(word) and not any(self.by_name[c].matches(word) for c in row.carved):
                return word
        raise ValueError(f"{row.name} with {fields}")

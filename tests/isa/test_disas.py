#!/usr/bin/env python3
# tests/isa/test_disas.py - random encodings of every row: decoder and disassembler against the rows and objdump.
"""test_disas.py insns.json decode-lines [count per row] [seed]"""
import os
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from rows import Table

OBJDUMP = 'riscv64-linux-gnu-objdump'
PC = 0x80000000
# What binutils 2.40 (Debian 12) does not know yet, by the row's extension; a newer one may.
UNKNOWN = {'zfa', 'zfa&d', 'zfa&zfh', 'zfa&zfh|zfa&zvfh', 'zicond', 'zcb', 'zcb&zbb', 'zcb&zba', 'zcb&zmmul', 'zvbb', 'zvbb|zvkb', 'zvbc', 'zvkned',
           'zvkg', 'zvknha|zvknhb', 'zvksed', 'zvksh', 'zabha', 'zacas', 'zacas&zabha', 'zalasr', 'zcmop', 'zimop'}
MARCH = 'rv64gcv_zba_zbb_zbc_zbkb_zbkc_zbkx_zbs_zknd_zkne_zknh_zksed_zksh_zfh_zicbom_zicboz_zicbop_svinval_zawrs_zihintpause'
# Exact conversions: objdump 2.40 knows them with rm = 0 alone and does not show it.
EXACT = {'fcvt.d.s', 'fcvt.d.w', 'fcvt.d.wu', 'fcvt.d.h', 'fcvt.s.h'}


def ours(program, words):
    text = ''.join(f'{pc:x} {word:x}\n' for pc, word in words)
    out = subprocess.run([program], input=text, capture_output=True, text=True, check=True).stdout
    return [line.split('\t', 1) for line in out.splitlines()]


def theirs(words):
    """objdump's text for each word. An object file, because only that says which extensions there are."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f'{folder}/words.bin', 'wb') as image:
            for _, word in words:
                image.write((word if (word & 3) == 3 else word | 0x00010000).to_bytes(4, 'little'))
        with open(f'{folder}/words.s', 'w', encoding='utf-8') as source:
            source.write('.text\n.incbin "words.bin"\n')
        subprocess.run(['riscv64-linux-gnu-as', f'-march={MARCH}', 'words.s', '-o', 'words.o'], cwd=folder, check=True)
        out = subprocess.run([OBJDUMP, '-D', '-j', '.text', '-M', 'no-aliases', f'--adjust-vma={PC:#x}', 'words.o'], cwd=folder,
                             capture_output=True, text=True, check=True).stdout
    texts = {}
    for line in out.splitlines():
        match = re.match(r'\s*([0-9a-f]+):\t[0-9a-f ]+\t(.*)', line)
        if match:
            texts[int(match.group(1), 16)] = match.group(2)
    return [texts.get(pc, '?') for pc, _ in words]


def normal(text):
    text = re.sub(r'\s*#.*', '', text).strip()          # resolved addresses
    text = re.sub(r'\s+<.*>$', '', text)
    return re.sub(r'(\t|,)([0-9a-f]{6,})$', r'\g<1>0x\2', text)  # branch targets


def same(row, mine, other):
    mine, other = normal(mine), normal(other)
    if mine == other:
        return True
    if row.name.startswith('csr') and re.search(r',0x[0-9a-f]+,', mine + other):
        return True                                     # RV32's upper halves, drafts, newer than objdump
    if row.name in ('aes64ks1i', 'sm4ed', 'sm4ks'):
        return re.sub(r',(\d+)$', lambda m: f',{int(m[1]):#x}', mine) == other
    if row.name in EXACT:
        return mine.replace(',rne', '') == other
    # Hints and reserved fields: shown by the manual's name here, as the plain instruction or not at all there.
    return row.name in ('ntl.p1', 'ntl.pall', 'ntl.s1', 'ntl.all') and other.startswith('add\tzero,zero,') or \
        row.name == 'c.nop' and mine.replace('c.nop\t', 'c.addi\tzero,') == other or \
        row.name in ('c.slli', 'c.srli', 'c.srai') and other.startswith(f'{row.name}64\t')


# Fields whose other values objdump does not take for this instruction.
def plain_fields(row):
    if row.name in ('fence', 'fence.tso'):
        return {'fm': 0, 'rd': 0, 'rs1': 0}
    if row.name == 'fence.i':
        return {'imm': 0, 'rd': 0, 'rs1': 0}
    return {'rm': 0} if row.name in EXACT else {}


def main():
    table = Table(sys.argv[1])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 40
    rng = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    cases = []
    for row in table.rows:
        for _ in range(count):
            cases.append((row, (PC + 4 * len(cases), table.random_word(row, rng, **plain_fields(row)))))
    words = [w for _, w in cases]
    failures, compared = [], 0
    expected = theirs(words)
    for (row, (pc, word)), (name, text), other in zip(cases, ours(sys.argv[2], words), expected):
        if name != row.name:
            failures.append(f'{word:08x} is of row {row.name} ({row.where}) but decodes as {name}')
            continue
        if row.guard in UNKNOWN and re.match(r'\.[24]byte|0x', other):
            continue
        compared += 1
        if not same(row, text, other):
            failures.append(f'{row.where} {word:08x}: ours "{text}", objdump "{other}"')
    # Words of no row must be illegal in both directions: what the decoder takes must match its row.
    noise = [(PC, rng.getrandbits(32)) for _ in range(5000)]
    for (_, word), (name, _) in zip(noise, ours(sys.argv[2], noise)):
        low = word if (word & 3) == 3 else word & 0xffff
        hits = [r for r in table.rows if r.width == (32 if (word & 3) == 3 else 16) and r.matches(low)]
        best = max(hits, key=lambda r: bin(r.mask).count('1')).name if hits else '-'
        if name != best:
            failures.append(f'{word:08x}: decodes as {name}, the rows say {best}')
    for failure in failures[:int(os.environ.get("MAX_FAILURES", "50"))]:
        print(failure)
    print(f'{len(cases)} encodings of {len(table.rows)} rows, {compared} compared with objdump, {len(failures)} failures')
    sys.exit(1 if failures else 0)


main()

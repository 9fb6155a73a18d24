#!/usr/bin/env python3
# tests/isa/test_gen_insns.py - faults in rows that gen-insns must refuse, naming the lines.
"""test_gen_insns.py gen-insns extensions.def"""
import subprocess
import sys
import tempfile

ADD = 'add 0000000 rs2 rs1 000 rd 0110011 | rd, rs1, rs2 | i | arith(ADD)\n'
CASES = [  # what it shows, rows, expected words of the error (None: no error)
    ('a good row', ADD, None),
    ('overlap names both lines', ADD + 'sub 0000000 rs2 rs1 000 rd 0110011 | rd, rs1, rs2 | i | arith(SUB)\n', 'x.rows:1 and x.rows:2'),
    ('a subset must be marked', ADD + 'ntl 0000000 00010 00000 000 00000 0110011 | | i | nop()\n', 'overlap'),
    ('a marked subset is fine', ADD + '^ntl 0000000 00010 00000 000 00000 0110011 | | i | nop()\n', None),
    ('a mark without a container', '^' + ADD, 'no row contains'),
    ('excluded values separate', 'c.jr 100 0 rs1!=0 00000 10 | rs1 | zca | = jr rs1\nc.mv 100 0 rd rs2!=0 10 | rd, rs2 | zca | = jr rd\n'
     'jr 000000000000 rs1 000 00000 1100111 | rs1 | i | nop()\n', None),
    ('31 bits', ADD.replace('0000000', '000000'), '31 bits'),
    ('uncovered bits', 'x imm[3:0|3:0|11:0] rs1 000 0110011 | rs1 | i | nop()\n', 'named twice|not 16|covered'),
    ('unknown field', ADD.replace('rs2 rs1', 'rs9 rs1'), 'unknown field'),
    ('unknown operand', ADD.replace('| rd,', '| rq,'), 'unknown operand'),
    ('unknown extension', ADD.replace('| i |', '| zfoo |'), 'unknown extension'),
    ('expansion to nothing', 'c.mv 100 0 rd rs2!=0 10 | rd, rs2 | zca | = move rd, x0, rs2\n', 'no 32-bit row'),
    ('expansion with an unknown operand', ADD + 'c.mv 100 0 rd rs2!=0 10 | rd, rs2 | zca | = add rd, x0, rs3\n', 'has no'),
    ('one name twice', ADD + ADD, 'already at x.rows:1'),
    ('wrong length bits', 'add 0000000 rs2 rs1 000 rd 0110001 | rd, rs1, rs2 | i | arith(ADD)\n', 'length'),
]


def run(rows):
    with tempfile.TemporaryDirectory() as folder:
        with open(f'{folder}/x.rows', 'w', encoding='utf-8') as f:
            f.write(rows)
        return subprocess.run([sys.argv[1], '--extensions', sys.argv[2], '--out', folder, f'{folder}/x.rows'],
                              capture_output=True, text=True, check=False)


def main():
    failures = 0
    print(f'1..{len(CASES)}')
    for number, (what, rows, words) in enumerate(CASES, 1):
        result = run(rows)
        good = result.returncode == 0 if words is None else \
            result.returncode == 1 and any(w in result.stderr for w in words.split('|'))
        print(f'{"ok" if good else "not ok"} {number} - {what}')
        if not good:
            print(f'# {result.returncode}: {result.stderr[-300:]}')
            failures += 1
    sys.exit(1 if failures else 0)


main()

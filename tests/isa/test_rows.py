#!/usr/bin/env python3
# tests/isa/test_rows.py - random operands for every row: Mynah's translation against qemu-riscv64's.
"""test_rows.py insns.json --runner PROGRAM [--oracle QEMU] [--count N] [--seed N] [--rows REGEX] [--backend NAME] [--vlen N] [--host-isa N]

Without an oracle (not installed) it reports a skip, exit status 77."""
import argparse
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
import cases
import vector_cases
from rows import Table

CACHE = os.environ.get('MYNAH_CACHE', os.path.expanduser('~/.cache/mynah'))     # filled by scripts/fetch-guests
ORACLES = (f'{CACHE}/oracle/qemu-riscv64', 'qemu-riscv64')
BATCH = 20000


def find_oracle(given):
    for program in (given,) if given else ORACLES:
        try:
            out = subprocess.run([program, '--version'], capture_output=True, text=True, check=False).stdout
        except OSError:
            continue
        version = re.search(r'version (\d+)', out)
        if version and int(version.group(1)) >= 10:     # older ones lack Zfa, Zicond
            return program
    return None


def build(table, rows, seed, vlen):
    rng = random.Random(seed)
    size = sum(224 if r.action.startswith('v') else 96 for r in rows)
    program = cases.Program(table, rng, (size + 0xffff) & ~0xfff, vlen)
    for row in rows:
        program.add(row)
    return program, program.finish()


def run_oracle(oracle, image, folder, vlen):
    path = os.path.join(folder, 'cases.elf')
    with open(path, 'wb') as f:
        f.write(cases.elf(image))
    os.chmod(path, 0o755)
    return subprocess.run([oracle, '-cpu', f'max,vlen={vlen}', path], capture_output=True, check=False)


def run_mynah(args, image, folder):
    path = os.path.join(folder, 'cases.bin')
    with open(path, 'wb') as f:
        f.write(image)
    return subprocess.run([args.runner, args.backend, path, str(args.vlen), str(args.host_isa)], capture_output=True, check=False)


def vector_differences(case, expected, actual):
    begin, size = case.data + vector_cases.REGISTERS, case.vector.vlen // 8
    for n in range(32):
        at = slice(begin + (32 + n) * size, begin + (33 + n) * size)
        if expected[at] != actual[at]:
            yield f'v{n} is {actual[at][::-1].hex()}, expected {expected[at][::-1].hex()}'
    if expected[case.data + case.memory:case.end] != actual[case.data + case.memory:case.end]:
        yield 'memory differs'


def describe_vector(program, case):
    v = case.vector
    values = {n: program.get(case, getattr(vector_cases, n)) for n in ('AVL', 'VTYPE', 'VSTART', 'VCSR')}
    text = ' '.join(f'{n}={x:#x}' for n, x in values.items()) + f' e{1 << v.vtype.sew} lmul 2^{v.vtype.lmul}'
    size, begin = v.vlen // 8, case.data + vector_cases.REGISTERS
    for field in ('rs2', 'rs1', 'rd'):
        n = v.get(field)
        text += f'\n    {field}: v{n} {bytes(program.data[begin + n * size:begin + (n + 1) * size])[::-1].hex()}'
    return text + f'\n    v0 {bytes(program.data[begin:begin + size])[::-1].hex()}'


def differences(program, expected, actual):
    for case in program.cases:
        found = []
        for at, what in cases.OUTPUTS + (vector_cases.OUTPUTS if case.vector else ()):
            theirs, ours = (struct.unpack_from('<Q', d, case.data + at)[0] for d in (expected, actual))
            if theirs != ours:
                found.append(f'{what} is {ours:#x}, expected {theirs:#x}')
        if case.vector:
            found += vector_differences(case, expected, actual)
        if case.has_area:
            area = slice(case.data + cases.AREA, case.data + cases.AREA + cases.AREA_SIZE)
            if expected[area] != actual[area]:
                found.append('memory differs')
        if found:
            yield case, found


def describe(program, case, found):
    f = program.table.formals(case.row, case.word)
    values = {n: program.get(case, at) for n, at in (('x1', cases.X1), ('x2', cases.X2), ('f1', cases.F1), ('f2', cases.F2),
                                                     ('f3', cases.F3), ('fcsr', cases.FCSR))}
    shown = ' '.join(f'{n}={v:#x}' for n, v in values.items())
    if case.vector:
        shown += '\n    ' + describe_vector(program, case)
    return f'{case.row.where} {case.row.name} {case.word:08x} at {case.address:#x} {f}: {"; ".join(found)}\n    {shown}'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('table')
    parser.add_argument('--runner', required=True)
    parser.add_argument('--oracle')
    parser.add_argument('--backend', default='interp')
    parser.add_argument('--count', type=int, default=15)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--rows', default='')
    parser.add_argument('--vlen', type=int, default=128)
    parser.add_argument('--host-isa', default='0', help='x86-64-vN at most, with - behind it no instructions beside the level; 0: what the host has')
    args = parser.parse_args()
    oracle = find_oracle(args.oracle)
    if not oracle:
        print('no qemu-riscv64 of version 10 or newer: nothing to compare with')
        sys.exit(77)
    table = Table(args.table)
    rows = [r for r in table.rows if re.search(args.rows, r.name) and
            table.expanded(r).action.split('(')[0] not in cases.NOT_HERE]
    work = rows * args.count
    batch = BATCH // 4 if args.vlen == 128 else BATCH // 16 # vector cases are large
    random.Random(args.seed).shuffle(work)
    failures, per_row = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        for begin in range(0, len(work), batch):
            program, image = build(table, work[begin:begin + batch], args.seed * 1000003 + begin, args.vlen)
            theirs, ours = run_oracle(oracle, image, folder, args.vlen), run_mynah(args, image, folder)
            for who, result in (('oracle', theirs), ('mynah', ours)):
                if result.returncode != 0 or len(result.stdout) != len(program.data):
                    keep = '/tmp/mynah-isa-cases.elf'
                    with open(keep, 'wb') as f:
                        f.write(cases.elf(image))
                    sys.exit(f'{who}: status {result.returncode}, {len(result.stdout)} of {len(program.data)} bytes; '
                             f'{result.stderr.decode(errors="replace")[-2000:]} (program kept as {keep})')
            for case, found in differences(program, theirs.stdout, ours.stdout):
                failures += 1
                per_row[case.row.name] = per_row.get(case.row.name, 0) + 1
                if per_row[case.row.name] <= 3:
                    print(describe(program, case, found))
    if per_row:
        print('rows that differ:', ', '.join(f'{n} ({c})' for n, c in sorted(per_row.items())))
    print(f'{len(work)} cases of {len(rows)} rows, seed {args.seed}, {args.backend}: {failures} differences')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()

#!/usr/bin/env python3
# tests/isa/test_rows.py - random operands for every row: Mynah's translation against qemu-riscv64's.
"""test_rows.py insns.json --runner PROGRAM [--oracle QEMU] [--count N] [--seed N] [--rows REGEX] [--backend NAME]

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


def build(table, rows, seed):
    rng = random.Random(seed)
    program = cases.Program(table, rng, (len(rows) * 96 + 0xffff) & ~0xfff)
    for row in rows:
        program.add(row)
    return program, program.finish()


def run_oracle(oracle, image, folder):
    path = os.path.join(folder, 'cases.elf')
    with open(path, 'wb') as f:
        f.write(cases.elf(image))
    os.chmod(path, 0o755)
    return subprocess.run([oracle, '-cpu', 'max', path], capture_output=True, check=False)


def run_mynah(runner, backend, image, folder):
    path = os.path.join(folder, 'cases.bin')
    with open(path, 'wb') as f:
        f.write(image)
    return subprocess.run([runner, backend, path], capture_output=True, check=False)


def differences(program, expected, actual):
    for case in program.cases:
        found = []
        for at, what in cases.OUTPUTS:
            theirs, ours = (struct.unpack_from('<Q', d, case.data + at)[0] for d in (expected, actual))
            if theirs != ours:
                found.append(f'{what} is {ours:#x}, expected {theirs:#x}')
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
    args = parser.parse_args()
    oracle = find_oracle(args.oracle)
    if not oracle:
        print('no qemu-riscv64 of version 10 or newer: nothing to compare with')
        sys.exit(77)
    table = Table(args.table)
    rows = [r for r in table.rows if re.search(args.rows, r.name) and
            table.expanded(r).action.split('(')[0] not in cases.NOT_HERE]
    work = rows * args.count
    random.Random(args.seed).shuffle(work)
    failures, per_row = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        for begin in range(0, len(work), BATCH):
            program, image = build(table, work[begin:begin + BATCH], args.seed * 1000003 + begin)
            theirs, ours = run_oracle(oracle, image, folder), run_mynah(args.runner, args.backend, image, folder)
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

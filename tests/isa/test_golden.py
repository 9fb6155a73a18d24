#!/usr/bin/env python3
# tests/isa/test_golden.py - the exact host code of hot guest instructions, so that a change of quality shows as a diff.
"""test_golden.py show-ir golden.txt

golden.txt holds `== what: WORD...` and below it the x86-64 code of a block of these instructions, up to its exits' stubs.
With BLESS=1 in the environment the file is rewritten with what came out. Skips (77) on hosts below x86-64-v3."""
import os
import re
import subprocess
import sys


def host_code(program, words):
    out = subprocess.run([program] + words, capture_output=True, text=True, check=True).stdout
    lines = re.findall(r'^0x([0-9a-f]+):\s+(?:[0-9a-f]+\s+)?(\S.*?)\s*$', out.split('== host code')[1], re.M)
    start, end = int(lines[0][0], 16), int(lines[-1][0], 16)

    def place(match):
        target = int(match.group(0), 16)
        if start <= target <= end:
            return f'+{target - start:#x}'
        return 'stub' if abs(target - start) < 1 << 31 else match.group(0)
    return ''.join(f'    {int(at, 16) - start:3x}  {re.sub("0x[0-9a-f]{9,16}(?![0-9a-f])", place, text)}\n' for at, text in lines)


def main():
    program, path = sys.argv[1:3]
    with open('/proc/cpuinfo', encoding='utf-8') as f:
        if not {'bmi2', 'fma', 'avx2'} <= set(f.read().split()):
            sys.exit(77)
    with open(path, encoding='utf-8') as f:
        text = f.read()
    sections = re.findall(r'^== (.*): ((?:[0-9a-f]{4,8} ?)+)\n((?:    .*\n)*)', text, re.M)
    blessed, failures = text[:text.find('==')], 0
    for what, words, expected in sections:
        code = host_code(program, words.split())
        blessed += f'== {what}: {words}\n{code}\n'
        if code != expected and not os.environ.get('BLESS'):
            failures += 1
            print(f'{what}\n  expected\n{expected}  got\n{code}')
    if os.environ.get('BLESS'):
        with open(path, 'w', encoding='utf-8') as f:
            f.write(blessed.rstrip('\n') + '\n')
    print(f'{len(sections)} pieces of guest code, {failures} differ')
    sys.exit(1 if failures or not sections else 0)


main()

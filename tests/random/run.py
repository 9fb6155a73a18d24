#!/usr/bin/env python3
# tests/random/run.py - random programs on every way to execute them: equal states, or a bug.
"""Each seed is run in four ways, by one hart and by more. Counted (-icount): with timer interrupts, stopped at three counts of instructions,
where the whole machine's state hashes must be equal. Uncounted: to its end, where memory and registers must be. The reference is the first
accelerator."""
import argparse
import concurrent.futures
import json
import os
import random
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time

import generate

ACCELS = ("tcg,backend=interp", "tcg,tier2=off", "tcg", "tcg,quick=off", "tcg,quick-threshold=100", "tcg,tier2-threshold=1,quick-threshold=1,settle-threshold=1",
          "tcg,tier2-threshold=1,host-isa=v1", "tcg,windows=on,window-threshold=0")
# Counted code does without windows.
COUNTED_ONLY = ("tcg,one-insn-per-tb=on",)
# Harts in turns on one thread, as counted ones are anyway.
BY_TURNS = ("tcg,thread=single,tb-size=4",)
# CPU seconds: what the reference does not end in is a program without an end; all others get much more, with windows above all, where each fault of the guest
# begins with one of the host (4 of 74 programs needed more than 60).
REFERENCE_ENDS, OTHERS_END, WINDOWS_END = 10, 60, 600
# Instructions from one ecall to the next, roughly: so an uncounted run, which is told when to end in ecalls, is as long as a counted one.
ECALL_EVERY = 50000
# Seconds without an answer until it is asked whether the program goes on.
PATIENCE = 3
# Seconds from one look whether it ended, perhaps with `stop` and `cont`, to the next; so many looks with less than a CPU second: all wait for each other.
LOOK_EVERY, STANDSTILL = 0.4, 300
ANSWER = 600
HARTS = 3


class Program:
    """An image, and the machine for it. calm: nobody outside disturbs it. disk: a file, where code is read from while it runs."""

    def __init__(self, mynah, cpu, harts, calm, image):
        self.mynah, self.cpu, self.harts, self.calm, self.image, self.disk = mynah, cpu, harts, calm, image, None

    def command(self):
        disk = ("-global", "virtio-mmio.force-legacy=off", "-drive", f"file={self.disk},format=raw,if=none,id=d,read-only=on", "-device", "virtio-blk-device,drive=d")
        return [self.mynah, "-M", "virt", "-cpu", self.cpu, "-smp", str(self.harts), "-m", "8M" if self.harts > 1 else "4M", "-bios", self.image, *(disk if self.disk else ())]

    def compared(self):
        """Bytes from the keeper on, of all harts that have a program."""
        return generate.AT["IMAGE_END"] - generate.AT["KEEPER"] + (generate.AT["INSTANCE"] if self.harts > 1 else 0)


class Machine:
    """A Mynah that is spoken to by QMP on its standard streams."""

    def __init__(self, program, *options):
        self.process = subprocess.Popen(
            [*program.command(), "-nodefaults", "-display", "none", "-serial", "none", "-monitor", "none", "-qmp", "stdio", "-S", "-action", "shutdown=pause", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.events, self.said = [], b""
        self.read()
        self.command("qmp_capabilities")

    def read(self, seconds=None):
        """What it says next; None: nothing in so many seconds."""
        while b"\n" not in self.said:
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                return None
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise RuntimeError(f"the emulator ended: {self.process.wait()} {self.process.stderr.read()[-2000:].decode(errors='replace')}")
            self.said += part
        line, self.said = self.said.split(b"\n", 1)
        return json.loads(line)

    def command(self, name, **arguments):
        self.process.stdin.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        self.process.stdin.flush()
        while True:
            answer = self.read(ANSWER)
            if not answer:
                raise RuntimeError(f"no answer to {name}")
            if "event" in answer:
                self.events.append(answer["event"])
            elif "error" in answer:
                raise RuntimeError(f"{name}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def wait_for(self, *names, seconds=None):
        while True:
            for event in self.events:
                if event in names:
                    self.events.clear()
                    return event
            answer = self.read(seconds)
            if answer is None:
                return None
            if "event" in answer:
                self.events.append(answer["event"])

    def run_to(self, count):
        """STOP at that count, SHUTDOWN before it, or "stands still": a trap whose handler cannot be fetched is taken for ever."""
        self.command("x-icount-stop", count=count)
        self.command("cont")
        last = None
        while not (event := self.wait_for("STOP", "SHUTDOWN", seconds=PATIENCE)):
            self.command("stop")
            self.wait_for("STOP", seconds=1)
            now = self.command("x-query-icount")["count"]
            if now in (last, count):
                return "STOP" if now == count else "stands still"
            last = now
            self.command("cont")
        return event

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def stop_and_go_on(self):
        self.command("stop")
        try:
            self.command("cont")
        except RuntimeError:    # refused: the machine was shut down meanwhile
            if "SHUTDOWN" not in self.events and not self.wait_for("SHUTDOWN", seconds=ANSWER):
                raise
            self.events.append("SHUTDOWN")

    def run_to_the_end(self, calm):
        """If not calm, all is stopped now and then."""
        self.command("cont")
        before, looks = self.cpu_seconds(), 0
        while not self.wait_for("SHUTDOWN", seconds=LOOK_EVERY):
            looks += 1
            if not calm:
                self.stop_and_go_on()
            if looks % STANDSTILL == 0:
                if self.cpu_seconds() - before < 1:
                    raise RuntimeError("stands still")
                before = self.cpu_seconds()

    def close(self, orderly=False):
        if orderly:
            self.process.stdin.write(b'{"execute":"quit"}\n')
            self.process.stdin.flush()
            self.process.wait()
        self.process.kill()
        self.process.communicate()


def counted(program, accel, counts):
    """Hashes at counts of instructions; of the last one what the console would tell, too."""
    machine = Machine(program, "-accel", accel, "-icount", "shift=0,sleep=off", "-seed", "1", "-rtc", "clock=vm,base=2026-01-01")
    try:
        hashes = []
        for count in counts:
            event = machine.run_to(count)
            hashes.append(machine.command("x-query-icount")["hash"] if event != "SHUTDOWN" else event)
            if event != "STOP":
                break
        return hashes, machine.command("human-monitor-command", **{"command-line": "info registers"})
    finally:
        machine.close()


def uncounted(program, accel, folder, seconds):
    """Memory at the program's end; None: it has none in so many seconds of CPU time."""
    machine = Machine(program, "-accel", accel)
    resource.prlimit(machine.process.pid, resource.RLIMIT_CPU, (seconds, seconds + 1))
    dump = os.path.join(folder, "ram")
    ended = False
    try:
        machine.run_to_the_end(program.calm)
        machine.command("stop")
        machine.command("pmemsave", val=generate.AT["KEEPER"], size=program.compared(), filename=dump)
        ended = True
        with open(dump, "rb") as f:
            return f.read()
    except RuntimeError as error:
        if machine.process.poll() in (-signal.SIGXCPU, -signal.SIGKILL):
            return None
        raise RuntimeError(f"{program.harts} harts, uncounted, {accel}: {error}") from error
    finally:
        machine.close(ended and "cache=" in accel)


def first_difference(program, reference, accel, low, high):
    """The count of instructions behind which states differ first."""
    while high - low > 1:
        middle = (low + high) // 2
        if counted(program, reference, [middle])[0] == counted(program, accel, [middle])[0]:
            low = middle
        else:
            high = middle
    return high


def report_counted(program, reference, accel, counts, expected, actual):
    at = next(i for i, pair in enumerate(zip(expected[0], actual[0])) if pair[0] != pair[1])
    count = first_difference(program, reference, accel, counts[at - 1] if at else 0, counts[at])
    ends = [counted(program, a, [count])[1] for a in (reference, accel)]
    lines = [(a, b) for a, b in zip(ends[0].splitlines(), ends[1].splitlines()) if a != b]
    before = counted(program, reference, [count - 1])[1] if count > 1 else ""
    pc = next((line for line in before.splitlines() if "pc" in line), "")
    return f"differs behind instruction {count} ({pc.strip()})\n" + "\n".join(f"    {a}\n    {b}" for a, b in lines[:20])


def report_uncounted(expected, actual):
    if actual is None:
        return "does not end"
    places = [at for at in range(0, len(expected), 8) if expected[at:at + 8] != actual[at:at + 8]]
    return f"{len(places)} words of memory differ\n" + "\n".join(
        f"    {generate.AT['KEEPER'] + at:#x}: {expected[at:at + 8][::-1].hex()} {actual[at:at + 8][::-1].hex()}" for at in places[:12])


def compare_counted(program, accels, counts):
    """What differs, a text each."""
    expected, found = None, []
    for accel in accels:
        actual = counted(program, accel, counts)
        expected = expected or actual
        if actual != expected:
            found.append(f"counted, {accel}: " + report_counted(program, accels[0], accel, counts, expected, actual))
    return found


def compare_uncounted(program, accels, folder):
    """What differs, a text each; None: the program has no end."""
    expected, found = None, []
    for accel in accels:
        seconds = REFERENCE_ENDS if not expected else WINDOWS_END if "windows" in accel else OTHERS_END
        actual = uncounted(program, accel, folder, seconds * program.harts)
        if actual is None and expected is None:
            return None
        expected = expected or actual
        if actual != expected:
            found.append(f"uncounted, {accel}: " + report_uncounted(expected, actual))
    return found


def run_seed(args, rows, keeper, seed):
    """What differs, a text each."""
    found = []
    accels = args.accels + (f"tcg,host-isa=v{2 + seed % 2},tb-size=4",)
    counting = tuple(a for a in accels if "windows" not in a) + COUNTED_ONLY
    rng = random.Random(seed)
    cpu = f"max,vlen={(128, 256, 512)[seed % 3]}"
    counts = sorted(rng.randrange(1, args.insns) for _ in range(3))
    ecalls = rng.randrange(2, max(40, args.insns // ECALL_EVERY))
    for harts in args.harts:
        name = f"seed {seed}, {harts} harts, " if harts > 1 else f"seed {seed}, "
        with tempfile.TemporaryDirectory() as folder:
            program = Program(args.mynah, cpu, harts, harts == 1 or generate.is_calm(seed), os.path.join(folder, "image"))
            generate.write(program.image, rows, keeper, seed, True, 0, harts)
            found += [name + text for text in compare_counted(program, counting, counts)]
            generate.write(program.image, rows, keeper, seed, False, ecalls, harts)
            if harts > 1:
                program.disk = os.path.join(folder, "disk")
                generate.write_disk(program.disk, program.image)
            differences = compare_uncounted(program, accels + (f"tcg,cache={folder}/kept",) * 2 + (BY_TURNS if harts > 1 else ()), folder)
            if differences is None:
                print(name + "uncounted: does not end: not compared", flush=True)
            else:
                found += [name + text for text in differences]
    return found


def run_seed_and_count(args, rows, keeper, seed):
    """What differs, and the CPU seconds of the emulators that were asked."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        found = run_seed(args, rows, keeper, seed)
    except RuntimeError as error:
        found = [f"seed {seed}: {error}"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class Stop:
    """Seeds are begun until all were, or the time is up, or somebody sends SIGINT or SIGTERM; what was begun is ended and written into the log."""

    def __init__(self, minutes):
        self.end, self.asked = time.monotonic() + minutes * 60 if minutes else None, False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.ask)

    def ask(self, *_):
        self.asked = True

    def __bool__(self):
        return self.asked or (self.end is not None and time.monotonic() >= self.end)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mynah", type=os.path.abspath, required=True)
    parser.add_argument("--rows", required=True, help="insns.json of the build")
    parser.add_argument("--keeper", required=True, help="the trap handler, an ELF file of the build")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=4, help="seeds to run")
    parser.add_argument("--minutes", type=float, help="run seeds for so long instead")
    parser.add_argument("--insns", type=int, default=400000, help="most instructions of a counted run")
    parser.add_argument("--harts", type=lambda s: tuple(map(int, s.split(","))), default=(1, HARTS), help=f"1, {HARTS} or both, separated by commas")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--log", help="a file to which a line is added: date, build, seeds, programs, CPU hours, differences")
    parser.add_argument("--accels", type=lambda s: tuple(s.split(";")), default=ACCELS, help="separated by ;")
    args = parser.parse_args()
    rows, keeper = generate.Rows(args.rows), generate.load_elf(args.keeper)
    stop, seed, done, failures, seconds = Stop(args.minutes), args.seed, 0, 0, 0.0
    with concurrent.futures.ProcessPoolExecutor(args.jobs, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)) as pool:
        running = set()
        while running or not stop:
            while len(running) < 2 * args.jobs and not stop and (args.minutes or seed < args.seed + args.count):
                running.add(pool.submit(run_seed_and_count, args, rows, keeper, seed))
                seed += 1
            if not running:
                break
            ended, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for found, used in (future.result() for future in ended):
                done += 1
                failures += bool(found)
                seconds += used
                for text in found:
                    print(text, flush=True)
    hours = seconds / 3600
    print(f"{done} programs, seeds {args.seed} to {seed - 1}: {failures} with differences, {hours:.3f} CPU hours")
    if args.log:
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=generate.HERE, capture_output=True, text=True, check=False).stdout.strip()
        with open(args.log, "a", encoding="utf-8") as f:
            f.write(f"{time.strftime('%Y-%m-%d')}\t{commit}\t{args.seed}-{seed - 1}\t{done}\t{args.insns}\t{hours:.3f}\t{failures}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

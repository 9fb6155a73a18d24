#!/usr/bin/env python3
# tests/device/storms.py - Storms of many devices, one after another, over as many sessions as they take: what was run is in a log.
"""usage: storms.py BUILD [--jobs N] [--seconds N] [--seed N] [--log FILE] [--since REVISION] [--only PART] [--skip PART,...] [--list]

BUILD is a build with sanitizers (meson setup BUILD -Db_sanitize=address,undefined -Db_lundef=false). Each device gets --seconds of CPU time
(300). A device is left out when FILE (tests/device/storms.tsv) says that it went well for as long on a commit that has REVISION
in it; without --since: on any commit. A line is added for each that ends: date, commit, program, device, seconds, seed, outcome.
"""
import argparse
import concurrent.futures
import datetime
import os
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = ("storm", "storm_nvme", "storm_pci", "storm_virtio", "virtio_scsi_cd")
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0",
              "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}


def git(*words):
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=False)


def storms(build):
    """(program, device) of each: test paths, of programs that have others, too, those with "storm" in them."""
    for program in PROGRAMS:
        binary = f"{build}/tests/device/device-{program}"
        listing = subprocess.run([binary, "-l"], capture_output=True, text=True, check=True).stdout
        yield from ((program, line) for line in listing.split("\n") if line.startswith("/") and "storm" in line)


def done_before(log, seconds, since):
    """Devices that went well for so long; commits that are not there any more count only without `since`."""
    done, known = set(), {}
    if not os.path.exists(log):
        return done
    with open(log, encoding="ascii") as f:
        for line in f:
            _, commit, program, device, lasted, _, outcome = line.rstrip("\n").split("\t")
            if since and commit not in known:
                known[commit] = git("merge-base", "--is-ancestor", since, commit).returncode == 0
            if outcome == "ok" and float(lasted) >= seconds and (not since or known[commit]):
                done.add((program, device))
    return done


def run(build, program, device, args):
    env = {**os.environ, **SANITIZERS, "MYNAH_STORM_SECONDS": str(args.seconds), "MYNAH_STORM_SEED": str(args.seed)}
    child = subprocess.run([f"{build}/tests/device/device-{program}", "-p", device], capture_output=True, text=True, check=False, env=env,
                           stdin=subprocess.DEVNULL, errors="replace")
    ok = child.returncode == 0 and f"ok 1 {device}" in child.stdout
    return "ok" if ok else f"status {child.returncode}", child.stdout + child.stderr


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n", maxsplit=1)[0].removeprefix("usage: "), epilog=__doc__.split("\n", 1)[1],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--log", default=f"{ROOT}/tests/device/storms.tsv")
    parser.add_argument("--since")
    parser.add_argument("--only", default="")
    parser.add_argument("--skip", type=lambda text: text.split(","), default=[], help="parts of names of devices that are left for another time")
    parser.add_argument("--list", action="store_true", help="only tell what would be run")
    args = parser.parse_args()
    if args.since and git("rev-parse", "--verify", "--quiet", f"{args.since}^{{commit}}").returncode:
        sys.exit(f"storms.py: --since {args.since}: there is no such commit")
    commit = git("rev-parse", "--short", "HEAD").stdout.strip() + ("+" if git("status", "--porcelain", "--untracked-files=no").stdout.strip() else "")
    done = done_before(args.log, args.seconds, args.since)
    wanted = [row for row in storms(args.build) if row not in done and args.only in row[1] and not any(part in row[1] for part in args.skip)]
    if args.list:
        print("\n".join(" ".join(row) for row in wanted))
        return
    lock, bad = threading.Lock(), 0
    with concurrent.futures.ThreadPoolExecutor(max(1, args.jobs)) as pool:
        running = {pool.submit(run, args.build, *row, args): row for row in wanted}
        for number, future in enumerate(concurrent.futures.as_completed(running), 1):
            program, device = running[future]
            outcome, output = future.result()
            print(f"[{number}/{len(wanted)}] {program} {device}: {outcome}", flush=True)
            bad += outcome != "ok"
            if outcome != "ok":
                print(output)
            with lock, open(args.log, "a", encoding="ascii") as f:
                print(datetime.date.today(), commit, program, device, args.seconds, args.seed, outcome, sep="\t", file=f)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

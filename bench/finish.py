#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the commands that finish a session, on tmpfs, as root.

  bench/finish.py [--quick] [--markdown] [--json FILE]

Three questions, each answered by whole commands (the least of some rounds):

  many files    10,000 of 20,000 small files changed: commit, commit --atomic,
                and rsync -aHAX --delete of the merged view to a copy of the base
  one big file  one byte of 4 GiB changed: the same three
  a big base    1,000 changes over 10,000 files and over 1,000,000: status and
                diff are to cost what the changes cost, not what the base does

The program is build/release/veneer, or the one named by VENEER_BIN.
"""

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PROGRAM = os.environ.get("VENEER_BIN", f"{ROOT}/build/release/veneer")


def run(*command, **options):
    """Runs a command; its time in seconds."""
    begin = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False,
                          stderr=subprocess.PIPE, text=True, **options)
    took = time.monotonic() - begin
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return took


@contextlib.contextmanager
def scratch():
    """A tmpfs that nobody else sees, gone with this process."""
    clone_newns, rec, private = 0x20000, 0x4000, 0x40000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(clone_newns) != 0:
        sys.exit("not measured: mounts need root")
    libc.mount(b"none", b"/", None, rec | private, None)
    place = tempfile.mkdtemp(prefix="veneer-bench-")
    run("mount", "-t", "tmpfs", "-o", "size=90%,nr_inodes=4m", "tmpfs", place)
    try:
        yield place
    finally:
        run("umount", "-l", place)
        os.rmdir(place)


class Session:
    """A base, and a mount over it; both are fresh in `place`."""

    def __init__(self, place, make_base):
        self.base = f"{place}/base"
        self.mount = f"{place}/base.mountpoint"
        os.mkdir(place)
        make_base(self.base)

    def change(self, change):
        run(PROGRAM, "mount", "--lower", self.base)
        change(self.mount)

    def unmount(self):
        run(PROGRAM, "umount", self.mount)


def file_name(number):
    return f"d{number // 100}/f{number}"


def make_files(count, size):
    def make(base):
        os.mkdir(base)
        for number in range(count):
            if number % 100 == 0:
                os.mkdir(f"{base}/d{number // 100}")
            with open(f"{base}/{file_name(number)}", "wb") as out:
                out.write(b"x" * size)
    return make


def append_to(count, of):
    def change(mount):
        for number in range(0, of, of // count):
            with open(f"{mount}/{file_name(number)}", "ab") as out:
                out.write(b"changed")
    return change


def make_big(size):
    def make(base):
        os.mkdir(base)
        piece = os.urandom(1 << 20)
        with open(f"{base}/big", "wb") as out:
            for _ in range(size >> 20):
                out.write(piece)
    return make


def change_big(mount):
    with open(f"{mount}/big", "r+b") as out:
        out.write(b"!")


def rsync(session, place):
    copy = f"{place}/copy"
    run("cp", "-a", session.base, copy)
    took = run("rsync", "-aHAX", "--delete", f"{session.mount}/", f"{copy}/")
    session.unmount()
    return took


def commit(*options):
    def finish(session, _):
        session.unmount()
        return run(PROGRAM, "commit", *options, f"{session.base}.upper")
    return finish


WAYS = {
    "commit": commit(),
    "commit --atomic": commit("--atomic"),
    "rsync -aHAX --delete": rsync,
}


def measure_ways(place, make_base, change, rounds):
    """The least time of each way, in seconds."""
    times = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, finish in WAYS.items():
            session = Session(f"{place}/session", make_base)
            session.change(change)
            times[way].append(finish(session, f"{place}/session"))
            shutil.rmtree(f"{place}/session")
    return {way: min(samples) for way, samples in times.items()}


def measure_reports(place, files, changes, rounds):
    session = Session(f"{place}/session", make_files(files, 0))
    session.change(append_to(changes, files))
    session.unmount()
    times = {}
    for command in ("status", "diff"):
        times[command] = min(
            run(PROGRAM, command, f"{session.base}.upper")
            for _ in range(rounds))
    shutil.rmtree(f"{place}/session")
    return times


def print_table(title, columns, rows, markdown):
    widths = [max(len(row[at]) for row in [columns, *rows])
              for at in range(len(columns))]
    frame = "| {} |" if markdown else "{}"
    between = " | " if markdown else "  "
    print(f"\n{title}\n")
    for number, row in enumerate([columns, *rows]):
        print(frame.format(between.join(
            cell.ljust(width) for cell, width in zip(row, widths))).rstrip())
        if number == 0 and markdown:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def add_to(file, result):
    """Keeps the numbers beside what the file has already."""
    numbers = {}
    with contextlib.suppress(FileNotFoundError):
        with open(file, encoding="utf-8") as before:
            numbers = json.load(before)
    numbers["finishing"] = {"unit": "seconds", **result}
    with open(file, "w", encoding="utf-8") as out:
        json.dump(numbers, out, indent=1)
        out.write("\n")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    if not shutil.which("rsync"):
        del WAYS["rsync -aHAX --delete"]
        print("rsync is absent and not compared with")
    rounds = 1 if options.quick else 3
    files, big, base = (2_000, 256 << 20, 50_000) if options.quick else (
        20_000, 4 << 30, 1_000_000)
    changes = 100 if options.quick else 1_000

    with scratch() as place:
        result = {
            "many": measure_ways(place, make_files(files, 4096),
                                 append_to(files // 2, files), rounds),
            "big": measure_ways(place, make_big(big), change_big, rounds),
            "small base": measure_reports(place, changes * 10, changes, 3),
            "big base": measure_reports(place, base, changes, 3),
        }

    print_table(
        f"Seconds, the least of {rounds}; the ratio is to commit.",
        ["", f"{files // 2:,} of {files:,} files", "",
         f"one file of {big >> 20:,} MiB", ""],
        [[way, *(cell for case in ("many", "big") for cell in (
            f"{result[case][way]:.3f}",
            f"{result[case][way] / result[case]['commit']:.1f}"))]
         for way in WAYS], options.markdown)
    print_table(
        f"Seconds for a session of {changes:,} changes.",
        ["", f"base of {changes * 10:,} files", f"of {base:,} files"],
        [[command, f"{result['small base'][command]:.3f}",
          f"{result['big base'][command]:.3f}"]
         for command in ("status", "diff")], options.markdown)
    if options.json:
        add_to(options.json, result)


main()

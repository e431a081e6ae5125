"""How long it takes to look through a dataset, to check it and to check it by decoding everything.

    python tests/bench/dataset.py [DIR ...] [--files 60000 1000000] [--no-deep]

Without a directory, trees of empty-looking pictures are made: hard links to one file, ``--files`` of them in
100 classes, in a temporary directory, with a list file of as many rows beside them. Each job runs in a process of
its own; memory is its peak over what the imports take, and CPU its own time, which a busy machine changes little
(a check decodes in other processes, whose time is not in it). "again" is a scan that recalls the folders of the
first, "asked" asks for every picture of it whether it is still as it was seen, as the start of a run does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

CLASSES = 100
IN_FOLDER = 20_000
"""Links to one file: file systems allow some 65,000."""
SETTLING = 3
"""Seconds: folders that changed just now are not kept."""

JOB = """
import sys, time
from pathlib import Path
from tui.core.dataset.check import check
from tui.core.dataset.scan import scan
def most_memory():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["VmHWM"].split()[0])
kind, directory = sys.argv[1], Path(sys.argv[2])
before = most_memory()
asked = scan(directory, recall=True) if kind == "asked" else None
start, busy = time.perf_counter(), time.process_time()
if asked is not None:
    found, note = asked, "as it was" if asked.is_current() else "changed"
elif kind in ("scan", "again"):
    found = scan(directory, recall=kind == "again")
    note = ""
elif kind == "list":
    found = scan(directory.with_name("labels.csv"))
    note = found.described
else:
    report = check(directory, deep=kind == "deep")
    found, note = report.scan, report.verdict
seconds, busy = time.perf_counter() - start, time.process_time() - busy
memory = (most_memory() - before) * 1024
print(f"{kind:6} {found.total:10,} {seconds:9.2f} {busy:7.2f} {found.total / seconds:10,.0f} {memory / 2**20:9.0f}"
      f" {memory / found.total:10.0f}  {note}")
"""


def make_tree(root: Path, files: int) -> Path:
    """Make ``files`` links to a few pictures, in class folders."""
    sources: list[Path] = []
    for number in range(files):
        if number % IN_FOLDER == 0:
            sources.append(root / f"source-{len(sources)}.png")
            Image.new("RGB", (8, 8), (len(sources), 0, 0)).save(sources[-1])
        folder = root / "data" / f"class-{number % CLASSES:03d}"
        if number < CLASSES:
            folder.mkdir(parents=True)
        os.link(sources[-1], folder / f"picture-{number:08d}.png")
    return root / "data"


def make_list(tree: Path, files: int) -> None:
    """Write a list of the tree beside it."""
    with open(tree.with_name("labels.csv"), "w") as file:
        file.write("path,label\n")
        for number in range(files):
            name = f"class-{number % CLASSES:03d}"
            file.write(f"data/{name}/picture-{number:08d}.png,{name}\n")


def measure(kind: str, directory: Path, cache: str) -> None:
    """Run one job and print its line."""
    environment = {**os.environ, "CNNTRAIN_CACHE": cache}
    subprocess.run([sys.executable, "-c", JOB, kind, str(directory)], check=True, env=environment)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="*", type=Path, metavar="DIR")
    parser.add_argument("--files", nargs="*", type=int, default=[60_000])
    parser.add_argument("--no-deep", action="store_true")
    options = parser.parse_args()
    kinds = ["scan", "again", "asked", "check"] + ([] if options.no_deep else ["deep"])
    print("job         files   seconds     CPU   files/s       MiB  bytes/file", flush=True)
    for directory in options.directories:
        print(directory.name, flush=True)
        with tempfile.TemporaryDirectory() as cache:
            for kind in kinds:
                measure(kind, directory, cache)
    for files in () if options.directories else options.files:
        with tempfile.TemporaryDirectory() as place:
            start = time.perf_counter()
            tree = make_tree(Path(place), files)
            make_list(tree, files)
            print(f"{files:,} links, made in {time.perf_counter() - start:.1f} s", flush=True)
            time.sleep(SETTLING)
            for kind in ("scan", "again", "asked", "list", *(["check"] if files <= 100_000 else [])):
                measure(kind, tree, os.path.join(place, "cache"))


if __name__ == "__main__":
    main()

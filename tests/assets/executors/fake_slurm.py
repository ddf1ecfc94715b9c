#!/usr/bin/env python3
"""Stands for sbatch, squeue and scancel in tests: one program under three names, whose jobs are files of a folder.

A job's file holds its name, state and node; sbatch starts its script at once as a process of its own, unless the folder
holds `hold`. The file `down` says how many calls find no controller, `lost` that sbatch's next answer does not come
though the job is there, `refuse` what sbatch refuses with.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TextIO

JOBS = Path(os.environ["FAKE_SLURM"])


def say(stream: TextIO, text: object) -> None:
    """Write a line."""
    stream.write(f"{text}\n")


def main() -> int:
    """Do what the command of this name does."""
    program, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    down = JOBS / "down"
    if down.is_file() and (left := int(down.read_text())) > 0:
        down.write_text(str(left - 1))
        say(sys.stderr, f"{program}: error: Unable to contact slurm controller (connect failure)")
        return 1
    with (JOBS / "calls").open("a") as calls:
        calls.write(json.dumps([program, *arguments]) + "\n")
    return {"sbatch": sbatch, "squeue": squeue, "scancel": scancel}[program](arguments)


def sbatch(arguments: list[str]) -> int:
    if (JOBS / "refuse").is_file():
        say(sys.stderr, f"sbatch: error: {(JOBS / 'refuse').read_text()}")
        return 1
    number = len(list(JOBS.glob("*.json"))) + 1
    given = dict(each.partition("=")[::2] for each in arguments)
    job = {"name": given["--job-name"], "state": "PENDING", "node": "", "reason": "Resources"}
    job["script"] = sys.stdin.read()
    if not (JOBS / "hold").is_file():
        with Path(given["--output"].replace("%j", str(number))).open("w") as output:
            process = subprocess.Popen(["/bin/sh", "-c", job["script"]], stdout=output, stderr=output)
        job |= {"state": "RUNNING", "node": "n1", "reason": "None", "pid": process.pid}
    (JOBS / f"{number}.json").write_text(json.dumps(job))
    lost = JOBS / "lost"
    if lost.is_file():
        lost.unlink()
        say(sys.stderr, "sbatch: error: Batch job submission failed: Socket timed out on send/recv")
        return 1
    say(sys.stdout, number)
    return 0


def squeue(arguments: list[str]) -> int:
    assert "--me" in arguments
    for path in sorted(JOBS.glob("*.json"), key=lambda path: int(path.stem)):
        job = json.loads(path.read_text())
        say(sys.stdout, "|".join([path.stem, *(job[each] for each in ("name", "state", "node", "reason"))]))
    say(sys.stdout, "17_[1-4]|somebody's array|PENDING||None")
    return 0


def scancel(numbers: list[str]) -> int:
    for number in numbers:
        path = JOBS / f"{number}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "CANCELLED"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

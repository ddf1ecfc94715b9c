"""Whatever interrupts an ingest, running it again gives the plate of an uninterrupted one, byte by byte.

A few kills and corruptions are tried in `make test`, 50 and 1,000 in `make test-slow`; so is a kill before every eighth
change of the disk, and before every one.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from phenodose.errors import PhenodoseError, StoreError
from phenodose.io.places import place, remove_tree, sizes
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.verify import verify_plate
from phenodose_readers.imagexpress import ImageXpressReader
from phenodose_readers.ome_zarr import OmeZarrReader

KILLS = [2, pytest.param(50, marks=pytest.mark.slow)]
UPLOADS_KILLED = [1, pytest.param(16, marks=pytest.mark.slow)]
#: An ingest is killed before every so many-th change of the disk.
STEPS = [8, pytest.param(1, marks=pytest.mark.slow)]
CORRUPTIONS = [20, pytest.param(1000, marks=pytest.mark.slow)]

# Reads lines of JSON and forks for each, since to import what an ingest needs costs more than the ingest:
# [RAW, OUT, SECONDS, ENV] or [RAW, OUT, "#N", ENV] runs an ingest that is killed after that time, or before its N-th
# change of the folder that `OUT` lies in; {"commands": [[...], ...], "most_bytes": N} runs commands at once, of which
# none can write a larger file, and tells the exit status and the messages of each.
KILLER = textwrap.dedent("""
    import json, os, resource, signal, sys, tempfile, time
    from pathlib import Path
    import filelock, imagecodecs, numcodecs, pandas, tifffile, xxhash, google_crc32c
    import phenodose.cli.ingest
    from phenodose.cli import main
    from phenodose.plates.ingest import ingest_plate
    from phenodose_readers.imagexpress import ImageXpressReader
    from phenodose_readers.ome_zarr import OmeZarrReader

    CHANGES = {"open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}

    def die_before_change(number, folder):
        left = [number]

        def hook(event, args):
            if event not in CHANGES or (event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR)):
                return
            # An entry of a folder that is being removed is named without its folder.
            if isinstance(args[0], str | os.PathLike) and (event in ("os.remove", "os.rmdir")
                    or os.fspath(args[0]).startswith(folder)):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)

    def fork(task, *told):
        child = os.fork()
        if not child:
            code = 1
            try:
                task(*told)
                code = 0
            except SystemExit as left:
                code = left.code
            finally:
                sys.stderr.flush()
                os._exit(code or 0)
        return child

    def one_ingest(raw, out, when, env):
        os.environ.update(env)
        if isinstance(when, str):
            die_before_change(int(when[1:]), os.path.dirname(out))
        reader = OmeZarrReader() if raw.endswith(".zarr") else ImageXpressReader()
        ingest_plate(Path(raw), out, reader, "P1", workers=2)

    def killed(raw, out, when, env):
        seconds = 600.0 if isinstance(when, str) else when
        if "://" in out:
            import s3fs, upath
        child = fork(one_ingest, raw, out, when, env)
        until, killed = time.monotonic() + seconds, False
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            if not killed and time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
                killed = True
            time.sleep(0.001)
        return "killed" if os.WIFSIGNALED(status) else str(os.waitstatus_to_exitcode(status))

    def one_command(arguments, file, most_bytes):
        os.dup2(file.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if most_bytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))
        main(arguments)

    def ended(commands, most_bytes):
        files = [tempfile.TemporaryFile("w+") for _ in commands]
        children = [fork(one_command, command, file, most_bytes) for command, file in zip(commands, files)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        said = []
        for file in files:
            file.seek(0)
            said.append(file.read())
        return list(zip(codes, said))

    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(killed(*asked) if isinstance(asked, list) else ended(**asked)), flush=True)
""")


class Killer:
    """Starts ingests and kills them, and runs commands."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", KILLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, raw: Path, out: Path | str, when: float | str) -> str:
        # Where the server of a bucket is, each test says anew.
        env = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        return self._asked([str(raw), str(out), when, env])

    def commands(self, *commands: list[str], most_bytes: int = 0) -> list[tuple[int, str]]:
        """Exit status and messages of commands that run at once."""
        return [(code, said) for code, said in self._asked({"commands": commands, "most_bytes": most_bytes})]

    def _asked(self, question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="module")
def killer():
    found = Killer()
    yield found
    found.close()


def ingest(raw, out, **options):
    reader = OmeZarrReader() if raw.suffix == ".zarr" else ImageXpressReader()
    return ingest_plate(raw, out, reader, "P1", **options)


def check_fates(killer, raw, folder, whole, contents, rng, kills):
    """Kill ingests at random points, some of them twice, and check every plate that comes of going on."""
    start = time.monotonic()
    assert killer(raw, f"{folder}/timed.ome.zarr", 600.0) == "0"
    usual = time.monotonic() - start
    for number in range(kills):
        out = f"{folder}/{number}.ome.zarr"
        while killer(raw, out, rng.uniform(0.0, usual)) != "killed":
            # Done before its time: it was shorter than usual.
            usual *= 0.8
            remove_tree(place(out))
        if rng.random() < 0.5:
            killer(raw, out, rng.uniform(0.0, usual))
        ingest(raw, out)
        assert contents(out) == whole
        assert verify_plate(out, raw, ImageXpressReader()).faults == []


@pytest.mark.parametrize("kills", KILLS)
def test_killed_at_random_points_it_ends_with_the_same_bytes(raw_plate, tmp_path, contents, killer, kills):
    raw = raw_plate(wells=["B02", "B03", "C02", "C03"], size=(300, 260))
    ingest(raw, tmp_path / "whole.ome.zarr")
    check_fates(killer, raw, tmp_path, contents(tmp_path / "whole.ome.zarr"), contents, random.Random(1), kills)


def check_every_change(killer, raw, out, whole, contents, step=1):
    """Kill an ingest before its first change of the disk, another before its second, and so on; returns how many.

    With a step of 8 it is the first, the ninth, and so on.
    """
    store, before = out.parent, out.parent.with_name("before")
    store.mkdir(exist_ok=True)
    shutil.copytree(store, before)
    for number in range(1, 1000, step):
        said = killer(raw, out, f"#{number}")
        if said != "killed":
            assert said == "0"
            return number - 1
        ingest(raw, out)
        assert contents(out) == whole, f"killed before change {number}"
        assert not list(store.rglob("*.partial"))
        shutil.rmtree(store)
        shutil.copytree(before, store)
    raise AssertionError("no end")


@pytest.mark.parametrize(
    ("wells", "step"),
    [(["B02"], 8), *(pytest.param(some, 1, marks=pytest.mark.slow) for some in (["B02"], ["B02", "C02"]))],
)
def test_killed_before_any_change_of_a_new_plate(raw_plate, tmp_path, contents, killer, wells, step):
    raw = raw_plate(wells=wells, planes=2)
    ingest(raw, tmp_path / "whole.ome.zarr")
    whole = contents(tmp_path / "whole.ome.zarr")
    n_changes = check_every_change(killer, raw, tmp_path / "store" / "P1.ome.zarr", whole, contents, step)
    assert n_changes > 15 * len(wells) - step


@pytest.mark.parametrize("step", STEPS)
def test_killed_before_any_change_of_a_plate_that_is_brought_up_to_date(raw_plate, tmp_path, contents, killer, step):
    raw, out = raw_plate(wells=["B02", "C02"], planes=2), tmp_path / "store" / "P1.ome.zarr"
    ingest(raw, out)
    raw_plate(wells=["B02", "B03"], planes=2, seed=5)
    for image in raw.rglob("*_C02_*"):
        image.unlink()
    ingest(raw, tmp_path / "whole.ome.zarr")
    whole = contents(tmp_path / "whole.ome.zarr")
    assert check_every_change(killer, raw, out, whole, contents, step) > 30 - step


def test_killed_before_any_change_of_a_reference(raw_plate, tmp_path, contents, killer):
    made = tmp_path / "elsewhere" / "P1.ome.zarr"
    ingest(raw_plate(planes=2), made)
    ingest(made, tmp_path / "whole.ome.zarr")
    whole = contents(tmp_path / "whole.ome.zarr")
    assert check_every_change(killer, made, tmp_path / "store" / "P1.ome.zarr", whole, contents) > 2


@pytest.mark.parametrize("kills", UPLOADS_KILLED)
def test_killed_while_uploading_to_a_store_that_fails_now_and_then(s3, raw_plate, tmp_path, contents, killer, kills):
    raw = raw_plate(wells=["B02", "C02"])
    ingest(raw, tmp_path / "whole.ome.zarr")
    s3.fail_every = 10
    whole = contents(tmp_path / "whole.ome.zarr")
    check_fates(killer, raw, "s3://bucket", whole, contents, random.Random(2), kills)
    assert s3.failed >= 5


def test_an_interrupted_plate_says_so(raw_plate, tmp_path):
    def cancel(done, total, message):
        raise KeyboardInterrupt

    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    with pytest.raises(KeyboardInterrupt):
        ingest(raw, out, progress=cancel, workers=1)
    with pytest.raises(StoreError, match="not complete"):
        Plate.open(out)
    assert not (tmp_path / ".P1.ome.zarr.ingest" / "wells").exists()
    assert len(ingest(raw, out).wells_written) < 3
    assert verify_plate(out, raw, ImageXpressReader()).faults == []


def test_a_lock_left_by_a_killed_process_does_not_block(raw_plate, tmp_path, killer):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    assert killer(raw, out, 0.0) == "killed"
    assert len(ingest(raw, out).wells) == 3


def test_no_room_for_a_file_is_told_and_leaves_the_plate_as_it_was(raw_plate, tmp_path, contents, killer):
    raw, out = raw_plate(size=(400, 400)), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    whole = contents(out)
    path = next(raw.rglob("ZStep_2/*_B03_*"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    ((code, said),) = killer.commands(["ingest", str(raw), str(out)], most_bytes=100_000)
    assert code == 2
    assert f"{out}: File too large" in said
    assert "make room or give another place, then run the same again" in said
    assert contents(out) == whole
    assert not list((tmp_path / ".P1.ome.zarr.ingest").glob("wells/*"))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1.5 MB; skips where the system does not let us mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_keeps_the_finished_wells(raw_plate, tmp_path, small_disk, contents):
    raw = raw_plate(wells=["B02", "B03", "C02", "C03"], size=(250, 250))
    out = small_disk / "P1.ome.zarr"
    ingest(raw, tmp_path / "whole.ome.zarr")
    whole = contents(tmp_path / "whole.ome.zarr")
    assert sum(map(len, whole.values())) > 1_600_000
    with pytest.raises(StoreError, match=r"No space left on device.*finished wells are kept"):
        ingest(raw, out, workers=1)
    with pytest.raises(StoreError, match="not complete"):
        Plate.open(out)
    kept = list(out.glob("*/[0-9]*"))
    assert kept
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert len(ingest(raw, out).wells_written) == 4 - len(kept)
    assert contents(out) == whole


@pytest.mark.parametrize("number_of_files", CORRUPTIONS)
def test_every_corruption_is_found(raw_plate, tmp_path, number_of_files):
    raw, out = raw_plate(wells=["B02", "C02"], planes=2), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    rng = random.Random(3)
    names = sorted(sizes(out))
    missed = []
    for number in range(number_of_files):
        file = out / rng.choice(names)
        whole = file.read_bytes()
        kind = rng.choice(["flip", "cut", "delete"])
        if kind == "flip":
            damaged = bytearray(whole)
            damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
            file.write_bytes(damaged)
        elif kind == "cut":
            file.write_bytes(whole[: rng.randrange(len(whole))])
        else:
            file.unlink()
        if not found(out):
            missed.append((number, kind, file))
        file.write_bytes(whole)
    assert missed == []
    assert verify_plate(out).faults == []


def found(out: Path) -> bool:
    """Whether `verify` finds a fault; it may also say that this is no whole plate."""
    try:
        return bool(verify_plate(out).faults)
    except StoreError:
        return True
    except PhenodoseError as error:
        return "no such plate" in str(error)


def test_two_ingests_at_once_in_two_processes(raw_plate, tmp_path, contents, killer):
    raw, out = raw_plate(size=(600, 515)), tmp_path / "P1.ome.zarr"
    ended = killer.commands(*[["ingest", str(raw), str(out)]] * 2)
    codes = sorted(code for code, _ in ended)
    # They may also have missed each other; then both are done.
    assert codes in ([0, 0], [0, 2])
    if codes == [0, 2]:
        assert any("plate P1: another process is ingesting it" in said for _, said in ended)
    ingest(raw, tmp_path / "whole.ome.zarr")
    assert ingest(raw, out).wells_written == []
    assert {name: content for name, content in contents(out).items() if name != "zarr.json"} == {
        name: content for name, content in contents(tmp_path / "whole.ome.zarr").items() if name != "zarr.json"
    }

"""Raw ImageXpress plates in the database layout, small, with pixels that tests can predict; ingests that are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

#: Bottom plane and distance of the planes of the raw plates here.
Z_UM, STEP_UM = 100.0, 2.5


def plane_pixels(well: str, channel: int, z: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """The pixels of one raw plane: noise that depends on everything that names the plane."""
    rng = np.random.default_rng([seed, channel, z, *well.encode()])
    return rng.integers(100, 5000, size, dtype=np.uint16)


def describe(**tags: object) -> str:
    """A MetaSeries image description."""
    kinds = {int: "int", float: "float", str: "string"}
    props = "".join(f'<prop id="{k}" type="{kinds[type(v)]}" value="{v}"/>\n' for k, v in tags.items())
    return f"<MetaData>\n<PlaneInfo>\n{props}</PlaneInfo>\n</MetaData>"


def write_image(path: Path, pixels: np.ndarray, **tags: object) -> Path:
    """One TIFF file as MetaXpress writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, description=describe(**tags), metadata=None, software="MetaSeries", rowsperstrip=16)
    return path


def write_plate(
    folder: Path,
    wells: Iterable[str] = ("B02", "B03", "C02"),
    *,
    planes: int = 3,
    channels: int = 1,
    sites: int = 1,
    size: tuple[int, int] = (40, 48),
    projection: str | None = "Maximum",
    acquisition: str = "77",
    seed: int = 0,
) -> Path:
    """A raw plate folder; the instrument's own projection is deliberately not the maximum of the planes."""
    place = folder / "2026-01-01" / acquisition
    for well in wells:
        for site in range(1, sites + 1):
            for channel in range(channels):
                stem = f"Plate_x_{well}_s{site}_w{channel + 1}"
                tags = {
                    "stage-label": f"{well} : Site {site}",
                    "spatial-calibration-x": 1.372,
                    "spatial-calibration-units": "um",
                    "_IllumSetting_": "Hoechst",
                    "wavelength": 447.0,
                    "Exposure Time": "15 ms",
                    "stage-position-x": 1000.5,
                    "stage-position-y": 2000.5,
                    "Instrument": "IXM",
                }
                for z in range(planes):
                    guid = uuid.uuid5(uuid.NAMESPACE_OID, f"{stem}{z}")
                    pixels = plane_pixels(well, channel, z, size, seed + 100 * site)
                    height = Z_UM + STEP_UM * z
                    write_image(
                        place / f"ZStep_{z + 1}" / f"{stem}{guid}.tif",
                        pixels,
                        **tags,
                        **{"ImageXpress Micro Z": height, "acquisition-time-local": f"20260101 10:00:0{z}"},
                    )
                if projection:
                    guid = uuid.uuid5(uuid.NAMESPACE_OID, f"{stem}-projection")
                    write_image(
                        place / f"{stem}{guid}.tif",
                        plane_pixels(well, channel, 999, size, seed + 100 * site),
                        **tags,
                        **{"Z Projection Method": projection, "Z Projection Step Size": STEP_UM},
                    )
    return folder


@pytest.fixture
def raw_plate(tmp_path: Path) -> Callable[..., Path]:
    """Writes a raw plate below the test's folder (see `write_plate`)."""

    def make(name: str = "P1", **options: object) -> Path:
        return write_plate(tmp_path / "raw" / name, **options)  # type: ignore[arg-type]

    make.pixels = plane_pixels  # type: ignore[attr-defined]
    make.image = write_image  # type: ignore[attr-defined]
    return make


@pytest.fixture
def contents() -> Callable[[Path | str], dict[str, bytes]]:
    """Every file below a folder, or object below an address, and its bytes."""
    from phenodose.io.places import place, sizes

    def read(folder: Path | str) -> dict[str, bytes]:
        return {name: (place(folder) / name).read_bytes() for name in sorted(sizes(place(folder)))}

    return read


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
            time.sleep(0.004)
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
def killer() -> Iterator[Killer]:
    """A process that forks ingests, kills them, and runs commands."""
    found = Killer()
    yield found
    found.close()

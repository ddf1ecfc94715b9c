"""How many files of ours a pixel runs through to its tensor, and a plate reader's number to its score.

A file counts if one of its functions runs on the way; what is only imported does not count. No time is measured.

    .venv/bin/python benchmarks/walks.py --files
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
OURS = tuple(str(ROOT / top) for top in ("platform", "assets", "plugins"))


@click.command()
@click.option("--files", is_flag=True, help="Name the files, too.")
def main(files: bool) -> None:
    """Count the files of both walks."""
    from phenodose.simulation import simulate_screen

    with tempfile.TemporaryDirectory() as folder:
        screen = Path(folder) / "WALK_V1_DS1"
        simulate_screen(screen, plates=1, drugs=2, seed=1)
        walks = {
            "pixel to tensor": lambda: _to_tensor(screen, Path(folder)),
            "number to score": lambda: _to_score(screen),
        }
        for name, walk in walks.items():
            seen = _files_of(walk)
            click.echo(f"{name}: {len(seen)} files")
            for file in sorted(seen) if files else ():
                click.echo(f"  {file}")


def _to_tensor(screen: Path, folder: Path) -> None:
    import phenodose
    from phenodose.plates.ingest import ingest_plate
    from phenodose.plates.plate import Plate
    from phenodose.plates.tensors import build_tensors, open_tensors
    from phenodose.plugins import choose_reader

    plate = folder / "P1.ome.zarr"
    ingest_plate(screen / "P1", plate, choose_reader(screen / "P1", phenodose.installed_plugins()), "P1")
    tensors = folder / "tensors.zarr"
    build_tensors({"P1": Plate.open(plate)}, tensors, 64, 0)
    open_tensors(tensors).to_numpy()


def _to_score(screen: Path) -> None:
    import phenodose

    layout = next(screen.glob("layout.*"))
    phenodose.score_layout(layout, {"ctg": screen / "ctg"}, ["dss_asym"], bootstrap=20)


def _files_of(walk: Callable[[], None]) -> set[str]:
    seen: set[str] = set()

    def heard(frame: object, event: str, _: object) -> None:
        if event == "call":
            code = frame.f_code  # type: ignore[attr-defined]
            if code.co_name != "<module>" and code.co_filename.startswith(OURS):
                seen.add(str(Path(code.co_filename).relative_to(ROOT)))

    sys.setprofile(heard)
    try:
        walk()
    finally:
        sys.setprofile(None)
    return seen


if __name__ == "__main__":
    main()

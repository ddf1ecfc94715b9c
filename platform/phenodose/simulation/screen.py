"""A whole simulated screen, written as the instruments leave it.

Belongs here: putting plates, images, plate-reader files, layout, settings and truth together on disk.
Does not belong here: plate design (`design`), drugs (`pharmacology`), pixels (`imaging`, `spheroid`), tags
(`metaseries`), screens without files (`in_memory`).
"""

from __future__ import annotations

import re
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from phenodose.errors import InputError
from phenodose.io.files import is_vacant, written_aside
from phenodose.names import check_screen_id, row_index
from phenodose.progress import Progress, no_progress
from phenodose.simulation import design, metaseries, plate_reader, spheroid
from phenodose.simulation.channels import HOECHST, Channels, Light
from phenodose.simulation.design import Treated, treat
from phenodose.simulation.imaging import PlateCamera
from phenodose.simulation.layout_file import write_layout
from phenodose.simulation.morphology import morphology_of
from phenodose.simulation.pairs import key, pair_plates, simulated_pairs
from phenodose.simulation.pharmacology import drug_library
from phenodose.simulation.settings_file import MADE_HERE, write_settings
from phenodose.simulation.truth import write_truth_drugs, write_truth_morphology, write_truth_pairs, write_truth_wells

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from phenodose.plugins import Registry

    #: Takes the stacks of a well, by channel, and gives its source of randomness to go on with.
    Take = Callable[[Treated], tuple[Mapping[Light, NDArray[np.uint16]], Generator]]

Kind = Literal["drug-screen", "control-experiment"]

SIZE_PX = 192
PLANES = 5
TENSOR_PX = 64

_SAMPLE = re.compile(r"(?P<sample>.+?)(_V\d+)?(_DS\d+|_CE)?\Z")
_FIRST_DAY = datetime(2024, 1, 8, 9, 0, 0)
_WELL_PITCH_UM = 4500.0
_A01_UM = (12130.0, 8990.0)


@dataclass(frozen=True)
class SimulatedScreen:
    """What was written.

    Attributes:
        id: screen id, also the folder's name.
        folder: the raw screen folder.
        kind: drug-screen or control-experiment.
        plates: names of the plates.
        n_drugs: drugs of the library.
        n_wells: wells with cells.
        n_images: image files.
        n_pairs: pairs of drugs in dose matrices.
    """

    id: str
    folder: Path
    kind: Kind
    plates: tuple[str, ...]
    n_drugs: int
    n_wells: int
    n_images: int
    n_pairs: int = 0


def simulate_screen(
    out: Path,
    *,
    screen: str | None = None,
    kind: Kind = "drug-screen",
    plates: int = 3,
    drugs: int = 8,
    seed: int = 1,
    phase1: str | None = None,
    control_wells: int = design.CONTROL_EXPERIMENT_WELLS,
    size_px: int = SIZE_PX,
    planes: int = PLANES,
    morphology: str = "rounded",
    channels: Channels = "hoechst",
    pairs: int = 0,
    progress: Progress = no_progress,
    plugins: Registry | None = None,
) -> SimulatedScreen:
    """Write a raw screen folder whose truth is known.

    The same arguments give the same bytes. The drugs' true curves depend on `seed` alone, so that screens
    of one seed are screens of one sample; everything else also depends on the screen id.

    Args:
        out: the screen folder to write; its name is the screen id unless `screen` is given.
        screen: screen id; if it is not the name of `out` the screen folder is `out`/`screen`.
        kind: a drug screen, or a control experiment of one plate with DMSO and staurosporine.
        plates: plates of a drug screen.
        drugs: drugs of a drug screen; 5 doses each, in duplicate.
        seed: source of everything random.
        phase1: control experiment that the network of this screen starts from, for screen.toml.
        control_wells: wells of a control experiment; 7 of 15 are negative.
        size_px: width and height of an image; divides 768. The field is always 263 um wide.
        planes: planes of a z-stack; the stack is always 100 um high.
        morphology: what the sample looks like, a name in `morphology.MORPHOLOGIES`.
        channels: 'hoechst', or 'all' for a death stain and bright-field beside it (`channels`), which screen.toml then
            gives the networks as inputs.
        pairs: pairs of drugs in dose matrices, each of 6 x 6 doses (0 included) in duplicate, on plates of their own
            after the others; Bliss-independent, Loewe-additive, synergy, antagonism in turn (`pairs`).
        progress: told after each well.
        plugins: where the parameters of a small network are found; None for everything that is installed.

    Raises:
        InputError: an argument is out of range, the drugs do not fit on the plates, or the folder holds
            something that was not simulated.
    """
    out = Path(out)
    folder = out if screen in (None, out.resolve().name) else out / str(screen)
    screen_id = check_screen_id(folder.resolve().name)
    _check_arguments(kind, plates, drugs, seed, size_px, planes, channels, pairs)
    looks = morphology_of(morphology)
    _check_folder(folder)
    rng = np.random.default_rng([seed, zlib.crc32(screen_id.encode())])
    library = drug_library(drugs, seed) if kind == "drug-screen" else []
    if kind == "drug-screen":
        wells = design.drug_screen(library, plates, rng)
    else:
        wells = design.control_experiment(control_wells, rng)
    treated = treat(wells, library, rng)
    matrices = simulated_pairs(pairs, seed)
    if matrices:
        known = {place: viability for pair in matrices for place, viability in pair.viability().items()}
        own = np.random.default_rng([seed, zlib.crc32(screen_id.encode()), len(matrices)])
        more = pair_plates(matrices, plates, own)
        wells += more
        treated += treat(more, (), own, lambda content: known.get(key(content)))
    names = tuple(dict.fromkeys(well.plate for well in wells))
    optics = spheroid.Optics(size_px, planes)
    with written_aside(folder) as aside:
        aside.mkdir()
        n_images = 0
        for number, plate in enumerate(names):
            on_plate = [well for well in treated if well.place.plate == plate]
            progress_before = (sum(well.place.plate in names[:number] for well in treated), len(treated))
            camera = PlateCamera(screen_id, number, seed, optics, looks)
            take = camera.take_all if channels == "all" else partial(_nuclei_alone, camera)
            n_images += _write_plate(aside / plate, screen_id, on_plate, camera, take, progress_before, progress)
            _write_plate_reader(aside / "ctg" / f"{screen_id}_{plate}.xlsx", on_plate, rng)
        sample = _sample(screen_id)
        write_layout(aside / "layout.xlsx", wells, sample)
        write_settings(
            *(aside / "screen.toml", sample, kind, phase1, min(TENSOR_PX, size_px), library, channels, plugins)
        )
        write_truth_wells(aside / "truth_wells.csv", treated)
        write_truth_drugs(aside / "truth_drugs.csv", library)
        if matrices:
            write_truth_pairs(aside / "truth_pairs.csv", matrices)
        if morphology != "rounded":
            write_truth_morphology(aside / "truth_morphology.csv", looks)
    (folder / "_DONE").write_text("", encoding="utf-8")
    return SimulatedScreen(screen_id, folder, kind, names, len(library), len(treated), n_images, len(matrices))


# --- arguments --------------------------------------------------------------------------------------


def _check_arguments(
    kind: str, plates: int, drugs: int, seed: int, size_px: int, planes: int, channels: str, pairs: int
) -> None:
    if kind not in ("drug-screen", "control-experiment"):
        raise InputError(f"kind {kind!r}: a screen is a drug-screen or a control-experiment.")
    if channels not in get_args(Channels):
        raise InputError(f"channels {channels!r}: take one of {', '.join(get_args(Channels))}.")
    numbers = (
        ("plates", plates, 1),
        ("drugs", drugs, 1),
        ("seed", seed, 0),
        ("planes", planes, 1),
        ("pairs", pairs, 0),
    )
    for name, value, least in numbers:
        if value < least:
            raise InputError(f"{name} {value}: take at least {least}.")
    if pairs and kind != "drug-screen":
        raise InputError(f"pairs {pairs}: a control experiment has no drugs; simulate a drug-screen.")
    if size_px < 48 or spheroid.FIELD_CAMERA_PX % size_px:
        sizes = [size for size in range(48, 769) if spheroid.FIELD_CAMERA_PX % size == 0]
        raise InputError(f"image size {size_px} px: take one of {', '.join(map(str, sizes))}.")


def _check_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but a simulated screen."""
    if is_vacant(folder):
        return
    settings = folder / "screen.toml"
    if not (settings.is_file() and settings.read_text(encoding="utf-8").startswith(MADE_HERE)):
        raise InputError(f"{folder} is there already and was not simulated; name another folder or move it away.")


def _sample(screen_id: str) -> str:
    match = _SAMPLE.match(screen_id)
    return match["sample"] if match else screen_id


# --- images -----------------------------------------------------------------------------------------


def _write_plate(
    raw: Path,
    screen_id: str,
    wells: Sequence[Treated],
    camera: PlateCamera,
    take: Take,
    progress_before: tuple[int, int],
    progress: Progress,
) -> int:
    """Write the raw folder of one plate, well by well; returns the number of files."""
    rng, optics = camera.rng, camera.optics
    start = _FIRST_DAY + timedelta(days=7 * int(rng.integers(0, 40)), seconds=int(rng.integers(0, 7200)))
    acquisition = metaseries.Acquisition(
        plate_name=f"{screen_id}_{raw.name}",
        folder=f"{start:%Y-%m-%d}/{int(rng.integers(1000, 9999))}",
        pixel_um=optics.pixel_um,
        binning=optics.binning,
        z_step_um=optics.z_step_um,
    )
    for step in range(1, optics.planes + 1):
        (raw / acquisition.folder / f"ZStep_{step}").mkdir(parents=True)
    done, total = progress_before
    written = 0
    for number, well in enumerate(wells):
        stacks, own = take(well)
        moment = start + number * timedelta(seconds=9.4)
        written += _write_well(raw, acquisition, well.place, stacks, moment, own)
        done += 1
        progress(done, total, f"{raw.name}/{well.place.well}")
    return written


def _nuclei_alone(camera: PlateCamera, well: Treated) -> tuple[Mapping[Light, NDArray[np.uint16]], Generator]:
    stack, own = camera.take(well)
    return {HOECHST: stack}, own


def _write_well(
    raw: Path,
    acquisition: metaseries.Acquisition,
    well: design.PlannedWell,
    stacks: Mapping[Light, NDArray[np.uint16]],
    start: datetime,
    rng: Generator,
) -> int:
    """Write the planes of a well and their maximum projection, channel by channel; returns the number of files."""
    n_z = len(next(iter(stacks.values())))
    bottom = 9300.0 + rng.normal(0.0, 12.0)
    heights = bottom + np.arange(n_z) * acquisition.z_step_um + rng.normal(0.0, 0.04, n_z)
    offset_x, offset_y = (round(float(value), 2) for value in rng.normal(0.0, 0.03, 2))
    stage_x = _A01_UM[0] + (well.column - 1) * _WELL_PITCH_UM + offset_x
    stage_y = _A01_UM[1] + row_index(well.row) * _WELL_PITCH_UM + offset_y
    focus = float(rng.uniform(40.0, 110.0))
    exposures = [start + index * timedelta(seconds=0.29) for index in range(n_z)]
    images: list[tuple[int, Light, int | None, float, datetime, Any]] = []
    for wave, (light, stack) in enumerate(stacks.items(), start=1):
        images += [
            (wave, light, index + 1, float(heights[index]), exposures[index], stack[index]) for index in range(n_z)
        ]
        images.append((wave, light, None, float(heights.mean()), exposures[0], stack.max(axis=0)))
    for order, (wave, light, z_step, z_um, exposed, pixels) in enumerate(images):
        plane = metaseries.Plane(
            well=well.well,
            z_step=z_step,
            z_um=z_um,
            first_z_um=float(heights[0]),
            n_z=n_z,
            stage_x_um=stage_x,
            stage_y_um=stage_y,
            offset_x_um=offset_x,
            offset_y_um=offset_y,
            acquired_at=exposed,
            modified_at=start + timedelta(seconds=5 + 0.14 * order),
            file_guid=_guid(rng),
            plane_guid=_guid(rng),
            focus_score=focus,
            wave=wave if len(stacks) > 1 else None,
            channel=light.name,
            wavelength_nm=light.wavelength_nm,
        )
        metaseries.write_plane(raw, acquisition, plane, pixels)
    return len(images)


def _guid(rng: Generator) -> str:
    return str(uuid.UUID(bytes=rng.bytes(16), version=4)).upper()


# --- files beside the images ------------------------------------------------------------------------


def _write_plate_reader(path: Path, wells: Sequence[Treated], rng: Generator) -> None:
    path.parent.mkdir(exist_ok=True)
    viability = {(row_index(well.place.row), well.place.column - 1): well.viability for well in wells}
    plate_reader.write_matrix(path, plate_reader.luminescence(viability, rng))

"""The readout contract: a number for every well, from a plate reader, from images, or from a network.

Belongs here: the bases (`PlateReaderReadout`, `ImageReadout` with `ObjectReadout`, `TensorReadout`, `StagedReadout`)
and how a staged readout declares its phases as data. Does not belong here: normalisation to viability, which is the
same for all readouts (`phenodose.viability.normalise`), and the built-in readouts (plugins).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from phenodose.plugins.base import Plugin
from phenodose.progress import Progress, no_progress
from phenodose.training_records import Inference, Phase, TensorWells, TrainingRecord, TrainingSet

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from phenodose.plates.plate import Plate


class Readout(Plugin):
    """Base of all readouts.

    The controls are named by well type or by treatment, most wanted first; the first name that the
    layout holds is used, and `pos` / `neg` are the last resort.
    """

    #: Unit of the raw number.
    unit: ClassVar[str] = ""
    #: Wells that stand for viability 1.
    negative_controls: ClassVar[tuple[str, ...]] = ("neg",)
    #: Wells that stand for viability 0.
    positive_controls: ClassVar[tuple[str, ...]] = ("pos",)
    #: What a larger raw number means; None if that differs between assays: then the controls say it.
    #: Viability is the same either way; plates whose controls contradict are masked.
    rises_with: ClassVar[Literal["viability", "death"] | None] = None
    #: Whether drug wells without usable controls are left out with a note; else the whole readout is refused.
    mask_uncontrolled: ClassVar[bool] = False
    #: Colour in pictures and reports, such as "#0072B2"; None takes one that no other readout declares.
    colour: ClassVar[str | None] = None
    #: Lowest and highest raw number of the labels that a network was taught: a well outside is flagged, because the
    #: network sees what it was not taught. None if there is no such range.
    label_range: ClassVar[tuple[float, float] | None] = None
    #: How far its scale is usually off from true viability, which no well of a screen tells: standard deviation at the
    #: living end, half-way, and at the killed end (fractions of viability), from cultures whose viability is known.
    #: Intervals of curves and scores hold it. None where the scale itself is measured.
    scale_error: ClassVar[tuple[float, float, float] | None] = None
    #: What it offers where a network cannot be trained, in a few words such as "a frozen network, in minutes": then it
    #: is named to those whose machine is too slow. '' names it to nobody.
    untrained: ClassVar[str] = ""


class PlateReaderReadout(Readout):
    """A number a well from plate-reader files: `<screen>/<folder>/<screen>_<plate>.xlsx|csv|txt`."""

    #: Sub-folder of the screen that holds the files.
    folder: ClassVar[str]
    #: Whether readings in the layout's own column Readout are of this readout, where there is no such file.
    reads_layout: ClassVar[bool] = False
    #: The killing control of metabolic assays.
    positive_controls: ClassVar[tuple[str, ...]] = ("BzCl", "Benzethonium chloride", "pos")

    def measure(self, matrices: pd.DataFrame) -> pd.DataFrame:
        """Turn the files' numbers into the readout's.

        Args:
            matrices: columns plate, row, column, value; one row a well of the files.

        Returns:
            Columns plate, row, column, raw.
        """
        return matrices.rename(columns={"value": "raw"})[["plate", "row", "column", "raw"]]


class ImageReadout(Readout):
    """A number a well computed from the OME-Zarr plates by classical means."""

    positive_controls: ClassVar[tuple[str, ...]] = ("STS", "Staurosporine", "pos")
    #: One spoilt plate does not stop the others, which cannot be filmed again.
    mask_uncontrolled: ClassVar[bool] = True
    #: Whether its number grows with the number of living cells and is about what it is without any where wells are
    #: killed: then a time lapse tells growth and the class of each drug, else viability alone. Came with contract 1.5.
    counts_cells: ClassVar[bool] = False
    #: Cells are as many as its number to this power: 1.5 for an area, by which a volume is told. With `counts_cells`.
    cells_power: ClassVar[float] = 1.0

    @abstractmethod
    def measure(self, plate: Plate) -> pd.DataFrame:
        """Measure every imaged well of one plate.

        Returns:
            Columns well, raw.
        """


class TensorReadout(Readout):
    """A number a well from the tensors of a whole screen and its controls, learned in one go and kept nowhere."""

    positive_controls: ClassVar[tuple[str, ...]] = ("STS", "Staurosporine", "pos")
    rises_with: ClassVar[Literal["viability", "death"] | None] = "viability"
    #: As for readouts of images by classical means.
    mask_uncontrolled: ClassVar[bool] = True
    #: The readout whose stored features it is given too; '' for none. Came with contract 1.3.
    features_of: ClassVar[str] = ""
    #: Whether it is given the viability that a plate reader measured in the same wells. Came with contract 1.3.
    taught: ClassVar[bool] = False

    @abstractmethod
    def read(self, wells: TensorWells, progress: Progress = no_progress) -> Inference:
        """Learn from the controls and say what is seen in every well.

        Args:
            wells: images, controls, and which wells hold the same.
            progress: told of finished parts; not given to a plugin of another distribution.

        Raises:
            NotMade: there are too few controls to learn from.
        """


class ObjectReadout(ImageReadout):
    """A number a well of the objects that are found in its images; the objects become rows of the table `objects`.

    Came with contract 1.2.
    """

    @abstractmethod
    def find_objects(self, plate: Plate) -> pd.DataFrame:
        """Find the objects of every imaged well of one plate.

        Returns:
            One row an object; columns `phenodose.tables.OBJECT_COLUMNS`: well, site, object (a number from 1, unique
            within the site of a well), area_px (pixels of the full image), area_um2, roundness, mean_intensity (grey
            value), x_um, y_um (of the centroid from the image's upper left corner). NaN where a number is not known:
            those with units where the plate does not say how wide its pixels are.
        """

    @abstractmethod
    def of_objects(self, plate: Plate, objects: pd.DataFrame) -> pd.DataFrame:
        """The number of every imaged well of the plate, also of those without objects.

        Args:
            plate: the plate.
            objects: what `find_objects` gave of it.

        Returns:
            Columns well, raw.
        """

    def measure(self, plate: Plate) -> pd.DataFrame:
        """Measure every imaged well of one plate by its objects."""
        return self.of_objects(plate, self.find_objects(plate))


class StagedReadout(Readout):
    """A network trained in phases; every phase with `reads_out` gives the readout `<name>_<phase>`."""

    positive_controls: ClassVar[tuple[str, ...]] = ("STS", "Staurosporine", "pos")
    rises_with = "viability"
    #: As for readouts of images by classical means.
    mask_uncontrolled: ClassVar[bool] = True
    #: The phases in order of training.
    phases: ClassVar[tuple[Phase, ...]]

    @staticmethod
    def small_parameters() -> dict[str, Any]:
        """Parameters with which it trains in minutes on two processor cores; {} if there are none.

        A simulated screen is written with them.
        """
        return {}

    @abstractmethod
    def train(
        self,
        phase: Phase,
        data: TrainingSet,
        parent: Path | None,
        out: Path,
        progress: Progress = no_progress,
    ) -> TrainingRecord:
        """Train one phase and write weights and record into the new folder `out`.

        Args:
            phase: one of `phases`.
            data: images and labels.
            parent: checkpoint folder of the parent phase; None to start from the backbone's weights.
            out: folder to fill; the caller moves it into place.
            progress: told after each epoch, best through `tell_epoch`.

        Raises:
            CheckpointError: the parent is damaged or does not fit the network or the images.
        """

    @abstractmethod
    def infer(self, checkpoint: Path, tensors: xr.DataArray, progress: Progress = no_progress) -> Inference:
        """Run a trained phase over all wells.

        Args:
            checkpoint: checkpoint folder of the phase.
            tensors: dims well, y, x, channel; uint16.
            progress: told after each batch.

        Raises:
            CheckpointError: the checkpoint is damaged or does not fit the tensors.
        """

    @classmethod
    def phase(cls, name: str) -> Phase:
        """The declared phase of that name."""
        return next(phase for phase in cls.phases if phase.name == name)

    @classmethod
    def readout_names(cls) -> Sequence[str]:
        """The readouts that the phases give, in order of training."""
        return [f"{cls.name}_{phase.name}" for phase in cls.phases if phase.reads_out]

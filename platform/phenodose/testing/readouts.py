"""The rules of readouts: of plate readers, of images, and of networks trained in stages.

Belongs here: their suites. Does not belong here: what every plugin keeps (`rules`) and the data (`synthetic`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from phenodose.plugins import (
    ImageReadout,
    Inference,
    ObjectReadout,
    Phase,
    PlateReaderReadout,
    Readout,
    StagedReadout,
    TrainingRecord,
    TrainingSet,
)
from phenodose.plugins.results import objects_fault
from phenodose.testing import synthetic
from phenodose.testing.isolation import refuse_traces
from phenodose.testing.operations import TooManyOperations, counted
from phenodose.testing.rules import PluginConformance, broken

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from phenodose.plates.plate import Plate

#: Lines of Python that a readout may execute: so many for each well beside so many for the plate.
LINES_A_WELL, LINES_A_PLATE = 50_000, 2_000_000
_RISES = ("viability", "death", None)


class ReadoutConformance(PluginConformance):
    """What all readouts keep."""

    plugin: ClassVar[type[Readout]]

    def test_it_declares_unit_and_controls(self) -> None:
        """A unit, names of controls, and what a larger number means."""
        if not isinstance(self.plugin.unit, str):
            raise broken("unit is a text, '' for none", f"{self.plugin.unit!r}")
        for attribute in ("negative_controls", "positive_controls"):
            names = getattr(self.plugin, attribute)
            if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
                raise broken(f"{attribute} is a tuple of names", f"{names!r}")
        if self.plugin.rises_with not in _RISES:
            raise broken("rises_with is 'viability', 'death' or None", f"{self.plugin.rises_with!r}")


class PlateReaderReadoutConformance(ReadoutConformance):
    """For a `PlateReaderReadout`."""

    plugin: ClassVar[type[PlateReaderReadout]]

    def test_its_folder_is_a_plain_name(self) -> None:
        """The files lie in that sub-folder of the screen."""
        folder = getattr(self.plugin, "folder", None)
        if not isinstance(folder, str) or Path(folder).name != folder or folder in ("", ".", ".."):
            raise broken("`folder` is the name of a sub-folder of the screen", f"{folder!r}")

    def test_every_well_has_a_row(self) -> None:
        """Columns plate, row, column, raw; each well of the files once; no number where the file has none."""
        given = synthetic.matrices()
        found = self._measured(given)
        wells = ["plate", "row", "column"]
        if len(found) != len(given) or set(map(tuple, found[wells].to_numpy())) != set(
            map(tuple, given[wells].to_numpy())
        ):
            raise broken("every well of the files has one row", f"{len(found)} rows for {len(given)} wells")

    def test_no_wells_give_no_rows(self) -> None:
        """An empty table gives an empty table."""
        self._measured(synthetic.matrices().iloc[:0])

    def test_a_single_well_is_measured(self) -> None:
        """A table of one well is as good as any."""
        self._measured(synthetic.matrices().iloc[:1])

    def test_the_order_of_wells_does_not_matter(self) -> None:
        """Files list wells by row or by column."""
        wells = ["plate", "row", "column"]
        forward = self._measured(synthetic.matrices()).set_index(wells)["raw"].sort_index()
        backward = self._measured(synthetic.matrices().iloc[::-1]).set_index(wells)["raw"].sort_index()
        if not forward.equals(backward):
            place = forward.index[int((forward.to_numpy() != backward.to_numpy()).argmax())]
            raise broken("a raw number does not depend on the order of the wells", f"well {place} differs")

    def test_it_does_not_change_the_numbers_it_is_given(self) -> None:
        """They are shared."""
        given = synthetic.matrices()
        self.made().measure(given)
        if not given.equals(synthetic.matrices()):
            raise broken("a readout does not change the table it is given", f"{self.plugin.name} did; work on a copy")

    def test_ten_thousand_wells_are_within_the_budget(self) -> None:
        """Counted in executed lines of Python."""
        many, readout = synthetic.matrices(rows=32, columns=320), self.made()
        readout.measure(synthetic.matrices())
        try:
            counted(lambda: readout.measure(many), LINES_A_PLATE)
        except TooManyOperations as error:
            raise broken(f"{len(many):,} wells take few operations", str(error)) from None

    def test_it_works_in_a_process_of_its_own_and_leaves_no_trace(self) -> None:
        """It gives the same numbers there, writes nothing and connects to nothing."""
        seen = self.isolated(_matrices_apart, self.plugin, dict(self.parameters))
        refuse_traces(seen)
        if not seen.value.equals(self.made().measure(synthetic.matrices())):
            raise broken("a readout gives the same numbers in another process", "they differ")

    def _measured(self, given: pd.DataFrame) -> pd.DataFrame:
        return _checked(self.made().measure(given), ["plate", "row", "column", "raw"], self.plugin.name)


class ImageReadoutConformance(ReadoutConformance):
    """For an `ImageReadout`. Its plates hold discs of several sizes, stacks of three planes, and a well of noise."""

    plugin: ClassVar[type[ImageReadout]]

    @pytest.fixture(scope="class")
    @classmethod
    def plate(cls, tmp_path_factory: pytest.TempPathFactory) -> Plate:
        """A plate of six wells."""
        return synthetic.plate(tmp_path_factory.mktemp("plate"))

    def test_every_well_has_a_row(self, plate: Plate) -> None:
        """Columns well, raw; each imaged well once; NaN where there is nothing to measure, but not everywhere."""
        found = self._measured(plate)
        if sorted(found["well"]) != sorted(plate.wells):
            raise broken("every imaged well has one row", f"{sorted(found['well'])} of {sorted(plate.wells)}")
        if found["raw"].isna().all():
            raise broken("wells with a spheroid have a number", "all are NaN", f"plate of {len(found)} wells")

    def test_a_single_well_is_measured(self, tmp_path: Path) -> None:
        """A plate of one well, and that of noise."""
        self._measured(synthetic.plate(tmp_path, wells=1))

    def test_it_is_deterministic(self, plate: Plate) -> None:
        """The same plate gives the same numbers, to the bit."""
        if not self._measured(plate).equals(self._measured(plate)):
            raise broken("the same plate gives the same numbers", "they differ from one time to the next")

    def test_the_other_wells_do_not_matter(self, tmp_path: Path, plate: Plate) -> None:
        """A well's number is its own: with other wells on the plate it stays."""
        fewer = self._measured(synthetic.plate(tmp_path, wells=3)).set_index("well")["raw"]
        all_wells = self._measured(plate).set_index("well")["raw"]
        same = [well for well in fewer.index[:2] if fewer[well] == all_wells[well] or fewer[[well]].isna().all()]
        if len(same) < 2:
            raise broken(
                "a raw number does not depend on the other wells of the plate",
                "numbers changed when wells were left out",
                str(fewer.to_dict()),
            )

    def test_it_is_within_the_budget(self, plate: Plate) -> None:
        """Counted in executed lines of Python for each well."""
        readout = self.made()
        readout.measure(plate)
        try:
            counted(lambda: readout.measure(plate), LINES_A_PLATE + LINES_A_WELL * len(plate.wells))
        except TooManyOperations as error:
            raise broken("a plate takes few operations a well", str(error), f"{len(plate.wells)} wells") from None

    def test_the_plate_stays_as_it_is_and_nothing_else_is_written(self, tmp_path: Path) -> None:
        """The store is never written by a readout; in a process of its own it gives the same numbers."""
        plate = synthetic.plate(tmp_path, wells=3)
        before = synthetic.tree_hash(tmp_path)
        seen = self.isolated(_plate_apart, self.plugin, dict(self.parameters), str(tmp_path / "P1.ome.zarr"))
        refuse_traces(seen)
        if synthetic.tree_hash(tmp_path) != before:
            raise broken("a readout changes nothing on the plate", "files differ")
        if not seen.value.equals(self._measured(plate)):
            raise broken("a readout gives the same numbers in another process", "they differ")

    def _measured(self, plate: Plate) -> pd.DataFrame:
        return _checked(self.made().measure(plate), ["well", "raw"], self.plugin.name)


class ObjectReadoutConformance(ImageReadoutConformance):
    """For an `ObjectReadout`, on the plates of `ImageReadoutConformance`."""

    plugin: ClassVar[type[ObjectReadout]]

    def test_every_object_is_described(self, plate: Plate) -> None:
        """Columns, wells of the plate, each object once."""
        if fault := objects_fault(plate.wells, self.made().find_objects(plate)):
            raise broken("`find_objects` gives one row an object", f"{self.plugin.name} {fault}")

    def test_the_number_of_a_well_is_of_its_objects(self, plate: Plate) -> None:
        """`measure` gives what `of_objects` does."""
        readout = self.made()
        if not readout.measure(plate).equals(readout.of_objects(plate, readout.find_objects(plate))):
            raise broken("`measure` gives the numbers of `of_objects`", "they differ")


class StagedReadoutConformance(ReadoutConformance):
    """For a `StagedReadout`. Give parameters that make it tiny: two epochs, the smallest network.

    Attributes:
        size_px: height and width of the images that it is tried on.
    """

    plugin: ClassVar[type[StagedReadout]]
    size_px: ClassVar[int] = 32

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
        """Checkpoint folder of every phase, trained one after another."""
        place = tmp_path_factory.mktemp("phases")
        return cls()._train_all(place)[0]

    def test_phases_are_declared_in_order(self) -> None:
        """Names once each, parents before children, and at least one phase that reads out."""
        seen: list[str] = []
        for phase in self.plugin.phases:
            if phase.name in seen:
                raise broken("phases have names of their own", f"{phase.name!r} stands twice")
            if phase.parent is not None and phase.parent not in seen:
                raise broken("a phase stands after its parent", f"{phase.name!r} starts from {phase.parent!r}")
            seen.append(phase.name)
        if not any(phase.reads_out for phase in self.plugin.phases):
            raise broken("a staged readout has a phase with reads_out", f"{seen} have none")

    def test_every_well_gets_an_output_and_features(self, trained: dict[str, Path]) -> None:
        """Finite numbers, one a well."""
        import numpy as np

        tensors = self._tensors()
        for name, folder in trained.items():
            found = self.made().infer(folder, tensors)
            if not isinstance(found, Inference) or found.raw.shape != (len(tensors),):
                raise broken("`infer` gives one raw number a well", f"{getattr(found, 'raw', found)!r}", name)
            if not np.isfinite(found.raw).all() or len(found.features) != len(tensors):
                raise broken("`infer` gives finite numbers and features of every well", f"{found.raw}", name)

    def test_the_same_training_gives_the_same_weights(self, trained: dict[str, Path], tmp_path: Path) -> None:
        """Seeds are explicit."""
        import numpy as np

        again, _ = self._train_all(tmp_path)
        for name, folder in trained.items():
            first, second = (self.made().infer(one, self._tensors()).raw for one in (folder, again[name]))
            if not np.array_equal(first, second):
                raise broken("the same data and seed give the same network", f"outputs of {name} differ")

    def test_a_training_that_was_stopped_goes_on_to_the_same_weights(
        self, trained: dict[str, Path], tmp_path: Path
    ) -> None:
        """Stopped after an epoch and asked again for the same folder, a phase ends as if nothing had happened."""
        import numpy as np

        phase, folder = self.plugin.phases[0], tmp_path / "stopped"
        epochs = 0

        def stop(done: int, total: int, message: str) -> None:
            nonlocal epochs
            epochs += 1
            if epochs == 1 and done < total:
                raise KeyboardInterrupt

        try:
            self.made().train(phase, self._data(phase), None, folder, stop)
        except KeyboardInterrupt:
            self.made().train(phase, self._data(phase), None, folder)
        first, second = (self.made().infer(one, self._tensors()).raw for one in (trained[phase.name], folder))
        if not np.array_equal(first, second):
            raise broken("a training that was stopped and asked again ends the same", f"outputs of {phase.name} differ")

    def test_a_damaged_checkpoint_is_told(self, trained: dict[str, Path], tmp_path: Path) -> None:
        """Weights that are no weights are a CheckpointError."""
        import shutil

        from phenodose.errors import CheckpointError

        folder = shutil.copytree(next(iter(trained.values())), tmp_path / "damaged")
        for path in folder.iterdir():
            if path.is_file():
                path.write_bytes(b"garbage")
        try:
            self.made().infer(folder, self._tensors())
        except CheckpointError:
            return
        except Exception as error:
            raise broken("a damaged checkpoint is a CheckpointError", f"{type(error).__name__}: {error}") from error
        raise broken("a damaged checkpoint is a CheckpointError", "it was used", "every file holds `garbage`")

    def _train_all(self, place: Path) -> tuple[dict[str, Path], list[TrainingRecord]]:
        folders: dict[str, Path] = {}
        records = []
        for phase in self.plugin.phases:
            folder = place / phase.name
            parent = None if phase.parent is None else folders[phase.parent]
            record = self.made().train(phase, self._data(phase), parent, folder)
            if not isinstance(record, TrainingRecord) or record.phase != phase.name or not record.weights_hash:
                raise broken("`train` returns a TrainingRecord of its phase with the weights' hash", f"{record!r}")
            folders[phase.name] = folder
            records.append(record)
        return folders, records

    def _data(self, phase: Phase) -> TrainingSet:
        import numpy as np

        images = self._images()
        number = np.arange(len(images))
        labels = np.where(number % 2 == 0, 1.0, 0.0).astype(np.float32)
        validation = (number % 6) >= 4 if phase.validation_wells_per_class else np.zeros(len(images), dtype=bool)
        control = np.ones(len(images), dtype=bool)
        if phase.labels == "duplicates":
            control[8:] = False
            labels[8:] = np.float32(0.4)
        return TrainingSet(images, labels, control, validation & control, tuple(f"P1/B{n + 2:02d}" for n in number))

    def _images(self) -> Any:
        import numpy as np

        rng = np.random.default_rng(1)
        y, x = np.mgrid[: self.size_px, : self.size_px] - self.size_px / 2
        disc = (x**2 + y**2 < (self.size_px / 3) ** 2)[None, ..., None]
        alive = (np.arange(12) % 2 == 0)[:, None, None, None]
        noise = rng.normal(0.1, 0.02, (12, self.size_px, self.size_px, 3))
        return np.clip(noise + 0.4 * disc * alive, 0, 1).astype(np.float32)

    def _tensors(self) -> xr.DataArray:
        import numpy as np
        import xarray as xr

        counts = np.round(self._images() * 65535).astype(np.uint16)
        wells = [f"P1/B{n + 2:02d}" for n in range(len(counts))]
        return xr.DataArray(counts, dims=("well", "y", "x", "channel"), coords={"well": wells})


def _checked(found: Any, columns: list[str], name: str) -> pd.DataFrame:
    """What `measure` gave, if it is a table of these columns with numbers in `raw`.

    Raises:
        Broken: it is anything else.
    """
    import numpy as np
    import pandas as pd

    if not isinstance(found, pd.DataFrame) or list(found.columns) != columns:
        got = list(found.columns) if isinstance(found, pd.DataFrame) else type(found).__name__
        raise broken(f"`measure` returns the columns {', '.join(columns)}", f"{name} returned {got}")
    if not pd.api.types.is_numeric_dtype(found["raw"]):
        raise broken("`raw` holds numbers", f"{name} returned {found['raw'].dtype}")
    if np.isinf(found["raw"].to_numpy(dtype=np.float64)).any():
        raise broken("`raw` is a finite number or NaN", f"{name} returned infinity")
    doubled = found[found.duplicated(columns[:-1])]
    if len(doubled):
        raise broken("a well has one row", "it has several", str(doubled.iloc[0].to_dict()))
    return found


def _matrices_apart(plugin: type[PlateReaderReadout], parameters: Mapping[str, Any]) -> Any:
    return plugin(parameters).measure(synthetic.matrices())


def _plate_apart(plugin: type[ImageReadout], parameters: Mapping[str, Any], plate: str) -> Any:
    from phenodose.plates.plate import Plate

    return plugin(parameters).measure(Plate.open(plate))

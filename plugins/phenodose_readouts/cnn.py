"""The readout `cnn`: a convolutional network taught in three phases to tell living from killed wells.

Belongs here: the phases, and how they are put together from `phenodose.learning`. Does not belong here: their
parameters (`cnn_parameters`), and networks, augmentation, training and inference themselves.

Source: Berker et al. 2022, IEEE Trans. Med. Imaging, doi 10.1109/TMI.2022.3205554; the defaults are its.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from phenodose.plugins import (
    Inference,
    Parameters,
    Phase,
    Progress,
    StagedReadout,
    TimeListener,
    TrainingRecord,
    TrainingTime,
    no_progress,
)
from phenodose_readouts.cnn_parameters import CnnParameters

if TYPE_CHECKING:
    import xarray as xr

    from phenodose.learning.augment import Augmentation
    from phenodose.learning.backbones import Architecture
    from phenodose.learning.inference import Copies
    from phenodose.learning.pace import Load, Pace
    from phenodose.learning.training import Plan
    from phenodose.plugins import TrainingSet

log = logging.getLogger("phenodose_readouts.cnn")
#: Widths, dense layers and pooling of networks that are as they are registered.
_REGISTERED = None, None, None


class CnnReadout(StagedReadout):
    """Raw viability = softmax output of the negative-control class, about 0.2 (killed) to 0.8 (untreated)."""

    name: ClassVar[str] = "cnn"
    label: ClassVar[str] = "image, network"
    version: ClassVar[str] = "2"
    description: ClassVar[str] = "Viability seen by a network taught on control wells in three phases"
    unit: ClassVar[str] = "probability"
    precedence: ClassVar[int] = 10
    #: Label smoothing of 0.4 teaches 0.8 for untreated and 0.2 for killed wells.
    #: Root mean square of its mean errors on nine simulated cultures of three simulators (docs/evaluation.md).
    scale_error: ClassVar[tuple[float, float, float] | None] = (0.06, 0.14, 0.1)
    label_range: ClassVar[tuple[float, float] | None] = (0.2, 0.8)
    Parameters: ClassVar[type[Parameters]] = CnnParameters
    parameters: CnnParameters

    phases: ClassVar[tuple[Phase, ...]] = (
        Phase(
            name="phase1",
            scope="control-experiment",
            parent=None,
            labels="controls",
            validation_wells_per_class=10,
            reads_out=False,
            description="Phase I: learns living and killed wells of the control experiment, once for all screens.",
        ),
        Phase(
            name="phase2",
            scope="screen",
            parent="phase1",
            labels="controls",
            validation_wells_per_class=3,
            reads_out=True,
            description="Phase II: goes on with the control wells of the screen itself.",
            precedence=20,
            colour="#0072B2",
            label="image, network (phase II)",
        ),
        Phase(
            name="phase3",
            scope="screen",
            parent="phase2",
            labels="duplicates",
            validation_wells_per_class=0,
            reads_out=True,
            description="Phase III: adds the drug wells, each labelled with the phase-II output of its duplicate.",
            precedence=10,
            colour="#D55E00",
            label="image, network (phase III)",
        ),
    )

    @staticmethod
    def small_parameters() -> dict[str, Any]:
        """The preset `small`, parameter by parameter."""
        return dict(CnnParameters.presets["small"])

    def train(
        self,
        phase: Phase,
        data: TrainingSet,
        parent: Path | None,
        out: Path,
        progress: Progress = no_progress,
        keep: Mapping[int, Path] | None = None,
    ) -> TrainingRecord:
        """Train one phase; see `StagedReadout.train`.

        A training killed on the way goes on from its last resume point if `out` is the same folder; the point is
        kept until the checkpoint is complete, and a checkpoint of this very training is not made again.

        Args:
            phase: one of `phases`.
            data: images and labels.
            parent: checkpoint folder of the parent phase; None to start from the backbone's weights.
            out: folder to fill.
            progress: told after each epoch.
            keep: folders of checkpoints to write on the way, by the number of epochs after which; 0 is before the
                first. They are what as many epochs alone would have made. None of them is written by a training
                that is complete already.

        Raises:
            CheckpointError: also if the training diverged, so that its weights are no numbers.
        """
        from phenodose.learning import checkpoint, ensemble
        from phenodose.learning.contrastive import pretrain, stored_history
        from phenodose.learning.kept_epochs import keeping
        from phenodose.learning.normalisation import take_statistics
        from phenodose.learning.recommended_settings import concerns
        from phenodose.learning.training import drop_resume_point, fit, inputs_hash

        started = time.monotonic()
        p = self.parameters
        out.mkdir(parents=True, exist_ok=True)
        others: dict[str, Any] = {}
        spent = 0.0
        if p.ensemble_seeds > 1:

            def train_alone(number: int, its_parent: Path | None, folder: Path, listener: Progress) -> TrainingRecord:
                return self._alone(number).train(phase, data, its_parent, folder, listener)

            members, spent = ensemble.train_others(train_alone, p.ensemble_seeds, parent, out, progress)
            others, started = {checkpoint.MEMBERS: members}, time.monotonic()
            progress = ensemble.Share(progress, p.ensemble_seeds - 1, p.ensemble_seeds)
        network, architecture, parent_hash, first_weights = self._network(data, parent)
        record = TrainingRecord(
            phase=phase.name,
            weights_hash="",
            parent_hash=parent_hash,
            inputs_hash=inputs_hash(data),
            parameters=p.model_dump(mode="json"),
            history=[],
            validation_auroc=None,
            seconds=0.0,
            n_train=int((~data.validation).sum()),
            n_validation=int(data.validation.sum()),
            extra={
                "first_weights": first_weights,
                "plugin_version": self.version,
                **checkpoint.inputs_of(data),
                **checkpoint.classes_of(data),
                **others,
            },
        )
        finished = checkpoint.finished(out, record)
        if finished is None:
            for concern in concerns(p.backbone, phase.name, p.model_dump()):
                log.warning("%s", concern)
            if parent is None and p.normalisation_statistics == "controls":
                take_statistics(network, data, p.backbone)
            plan = self._plan(phase)
            if keep:

                def write(folder: Path, reached: TrainingRecord) -> None:
                    checkpoint.save(folder, network, architecture, reached)

                progress = keeping(keep, record, write, progress)
                progress(0, plan.epochs, phase.name)
            hears = progress if isinstance(progress, TimeListener) else None

            def pretrained() -> None:
                pretrain(network, data, plan, out, p.resume_every_s, progress)

            def paced(pace: Pace, load: Load) -> None:
                if plan.contrastive:
                    images = 2 * plan.contrastive.epochs * len((data.unlabelled or data).images)
                    load = replace(load, before=images, batch_size=p.batch_size)
                time_to_come = self._time(pace, load, time.monotonic() - started)
                record.extra["estimated_training_s"] = time_to_come.training_s
                if hears:
                    hears.time(time_to_come)

            before = pretrained if plan.contrastive else None
            history = fit(network, data, plan, out, p.resume_every_s, progress, paced if hears else None, before)
            if plan.contrastive:
                record.extra["contrastive_history"] = stored_history(out)
            auroc = self._validation_auroc(network, architecture, data)
            seconds = spent + time.monotonic() - started
            record = replace(record, history=history, validation_auroc=auroc, seconds=seconds)
            finished = checkpoint.save(out, network, architecture, record)
        drop_resume_point(out)
        return finished

    def infer(self, checkpoint: Path, tensors: xr.DataArray, progress: Progress = no_progress) -> Inference:
        """Run a trained phase, all its networks, over all wells; see `StagedReadout.infer`."""
        from phenodose.learning import ensemble

        networks = ensemble.networks_of(checkpoint)
        if len(networks) == 1:
            return self._infer_alone(checkpoint, tensors, progress)
        shares = [ensemble.Share(progress, number, len(networks)) for number in range(len(networks))]
        asked = zip(networks, shares, strict=True)
        return ensemble.together([self._infer_alone(folder, tensors, share) for folder, share in asked])

    def _alone(self, number: int) -> CnnReadout:
        """The readout that trains the network of a number by itself."""
        seed = (self.parameters.seed + number) % 2**32
        return CnnReadout(self.parameters.model_copy(update={"seed": seed, "ensemble_seeds": 1}))

    def _infer_alone(self, checkpoint: Path, tensors: xr.DataArray, progress: Progress) -> Inference:
        import numpy as np

        from phenodose.learning import checkpoint as checkpoints
        from phenodose.learning.inference import infer

        network, architecture, record = checkpoints.load(checkpoint, self.parameters.inference_precision)
        checkpoints.expect_images(architecture, record, tensors, checkpoint)
        p = self.parameters
        found = infer(network, architecture.backbone, tensors, p.inference_batch_size, self._copies(), progress)
        if found.class_probability is None:
            return found
        taught = set(record.extra.get(checkpoints.TAUGHT_BY, ()))
        unseen = np.array([str(well) not in taught for well in tensors["well"].to_numpy()], dtype=bool)
        return replace(found, class_names=checkpoints.class_names_in(record), class_unseen=unseen)

    def _network(self, data: TrainingSet, parent: Path | None) -> tuple[Any, Architecture, str | None, str | None]:
        """The network before training: the parent's, or a new one; with their hashes for the record."""
        from phenodose.learning import backbones, checkpoint
        from phenodose.learning.class_logits import with_classes

        p = self.parameters
        y, x, channels = data.images.shape[1:]
        widths, dense, pooling = (
            (p.micro_widths, p.micro_dense, p.micro_pooling) if p.backbone == "micro" else _REGISTERED
        )
        classes = data.class_names or checkpoint.TWO_CLASSES
        wanted = backbones.Architecture.of(p.backbone, (y, x, channels), widths, dense, pooling, len(classes))
        if parent is not None:
            network, architecture, record = checkpoint.load(parent, p.precision)
            checkpoint.expect(replace(architecture, classes=len(classes)), wanted, parent)
            checkpoint.expect_inputs(record, data.inputs, parent)
            before = checkpoint.class_names_in(record)
            if before != classes:
                places = [before.index(name) if name in before else None for name in classes]
                network = with_classes(network, wanted, places, p.precision)
            return network, wanted, record.weights_hash, None
        network = backbones.build(wanted, p.precision)
        source = Path(p.weights_file) if p.weights_file else p.weights
        if isinstance(source, Path) and p.weights_file_sha256:
            backbones.expect_file(source, p.weights_file_sha256)
        return network, wanted, None, backbones.initialise(network, wanted, source, p.seed)

    def _time(self, pace: Pace, load: Load, spent_s: float) -> TrainingTime:
        """How long a phase takes at a pace, the time that it has taken already included."""
        from phenodose.learning.backends import has_gpu

        p = self.parameters
        answer_s = p.inference_copies * (pace.image_s + pace.copy_s) if p.inference_copies else pace.image_s
        trained_s = {
            phase.name: getattr(p, f"epochs_{phase.name}") * pace.step_s / p.batch_size for phase in self.phases
        }
        return TrainingTime(
            training_s=spent_s + load.seconds(pace),
            well_s=answer_s * p.ensemble_seeds,
            on_gpu=has_gpu(),
            how=load.text(pace),
            well_s_of={name: seconds * p.ensemble_seeds for name, seconds in trained_s.items()},
        )

    def _plan(self, phase: Phase) -> Plan:
        from phenodose.learning.contrastive import Contrastive
        from phenodose.learning.training import Plan

        p = self.parameters
        contrastive = None
        if p.contrastive_epochs and phase.labels == "controls":
            size, temperature = p.contrastive_batch_size, p.contrastive_temperature
            contrastive = Contrastive(p.contrastive_epochs, size, temperature, p.contrastive_learning_rate)
        return Plan(
            phase=phase.name,
            backbone=p.backbone,
            epochs=getattr(p, f"epochs_{phase.name}"),
            learning_rate=getattr(p, f"learning_rate_{phase.name}"),
            batch_size=p.batch_size,
            label_smoothing=p.label_smoothing,
            augmentation=self._augmentation(),
            mixup_fraction=p.mixup_fraction,
            mixup_between=p.mixup_between,
            cutmix_fraction=p.cutmix_fraction,
            seed=p.seed,
            intensity_mode=p.intensity_mode,
            adam_as_batch_1=p.adam_as_batch_1,
            inference_copies=p.inference_copies,
            device_images_mb=p.device_images_mb,
            learning_rate_decay=p.learning_rate_decay if phase.parent else "none",
            contrastive=contrastive,
        )

    def _augmentation(self) -> Augmentation:
        from phenodose.learning.augment import Augmentation

        p = self.parameters
        return Augmentation(
            flip=p.flip,
            rotation_degrees=p.rotation_degrees,
            shift_fraction=p.shift_fraction,
            zoom_min=p.zoom_min,
            zoom_max=p.zoom_max,
            intensity_min=p.intensity_min,
            intensity_max=p.intensity_max,
        )

    def _copies(self) -> Copies | None:
        """The augmented copies that every question about a well is averaged over; None asks about the image itself."""
        from phenodose.learning.inference import Copies

        p = self.parameters
        return Copies(p.inference_copies, self._augmentation(), p.seed) if p.inference_copies else None

    def _validation_auroc(self, network: Any, architecture: Architecture, data: TrainingSet) -> float | None:
        """Held-out wells are asked about as all wells will be."""
        from phenodose.learning import backbones
        from phenodose.learning.inference import predict
        from phenodose.learning.training import auroc

        held_out = data.validation if data.classes is None else data.validation & (data.classes < 2)
        if not held_out.any():
            return None
        p = self.parameters
        if p.inference_precision != p.precision:
            trained, network = network, backbones.build(architecture, p.inference_precision)
            network.set_weights(trained.get_weights())
        found = predict(network, p.backbone, data.images[held_out], p.inference_batch_size, self._copies())
        return auroc(found.raw, data.labels[held_out] > 0.5)

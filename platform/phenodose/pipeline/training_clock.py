"""How long a phase of a network will take: said before it is trained, and held against what the site allows.

Belongs here: the sentence and the judgement. Does not belong here: measuring (readout plugins, `phenodose.learning`)
and the setting (`phenodose.settings.training`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phenodose.errors import NotMade, PhenodoseError, TooLongError
from phenodose.plugins import Phase, Progress, Registry, StagedReadout, TrainingTime, plugins_of
from phenodose.plugins.base import PRESET
from phenodose.progress import duration, say, tell_epoch
from phenodose.settings.site import read_site
from phenodose.settings.training import TrainingSettings
from phenodose.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

#: Preset of a network for machines without a graphics card.
_SMALL = "small"


@dataclass
class TrainingClock:
    """A listener (`TimeListener`) that says how long a phase will take and ends it if that is longer than allowed.

    Attributes:
        progress: hears all else, and what is said.
        log: told the same.
        what: the phase and its screen, such as 'phase2 of BT-40_V1_DS1'.
        allowed: what the site allows.
        chosen: whether screen.toml or the launchpad says anything of this network: then what is too long is an error.
            Else nobody asked for it, and it is skipped.
        ways_out: what else can be done, see `ways_out`.
        wells: wells that the trained phase will be asked about; 0 if it reads nothing out.
        later: training wells of the phases that this screen is trained in afterwards, by phase.
        estimate: the estimate that was said; None so far.
    """

    progress: Progress
    log: logging.Logger
    what: str
    allowed: TrainingSettings
    chosen: bool
    ways_out: Sequence[str] = ()
    wells: int = 0
    later: Mapping[str, int] = field(default_factory=dict)
    estimate: TrainingTime | None = field(default=None, init=False)

    def __call__(self, done: int, total: int, message: str) -> None:
        """See `Progress`."""
        self.progress(done, total, message)

    def epoch(self, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
        """See `EpochListener`."""
        tell_epoch(self.progress, done, total, message, figures)

    def say(self, sentence: str) -> None:
        """See `SentenceListener`."""
        say(self.progress, sentence)

    def time(self, estimate: TrainingTime) -> None:
        """Hear how long the training will take; of several networks the first tells for all.

        Raises:
            TooLongError: that is longer than allowed, and somebody asked for this network.
            NotMade: the same, and nobody did.
        """
        if self.estimate is not None:
            return
        self.estimate = estimate
        sentence = self._sentence(estimate)
        self.log.info(sentence)
        self.say(sentence)
        most_h = self.allowed.most_h(estimate.on_gpu)
        whole_s = estimate.training_s + self.wells * estimate.well_s
        if most_h is not None and whole_s > most_h * 3600:
            raise self._too_long(whole_s, most_h, estimate)

    def _sentence(self, estimate: TrainingTime) -> str:
        parts = [f"{self.what}: about {duration(estimate.training_s)} of training on this machine"]
        if estimate.how:
            parts[0] += f" ({estimate.how})"
        if self.wells:
            parts.append(f"about {duration(self.wells * estimate.well_s)} to ask about {self.wells} wells")
        parts += [
            f"then {phase}, about {duration(wells * estimate.well_s_of[phase] + self.wells * estimate.well_s)}"
            for phase, wells in self.later.items()
            if phase in estimate.well_s_of
        ]
        return ", ".join(parts)

    def _too_long(self, whole_s: float, most_h: float, estimate: TrainingTime) -> PhenodoseError:
        whose = (
            "site.toml allows" if self.allowed.longest_h is not None else "a machine without a graphics card is given"
        )
        ways = [*self.ways_out, *([] if estimate.on_gpu else ["a machine with a graphics card"])]
        reason = (
            f"{self.what} would take about {duration(whole_s)} on this machine ({estimate.how or 'as it says'}), and "
            f"{whose} {most_h:g} h; take {', or '.join([*ways, 'a larger longest_h under [training] in site.toml'])}."
        )
        return TooLongError(reason) if self.chosen else NotMade(reason)


def clock_of(
    store: Store,
    screen: str,
    plugin: StagedReadout,
    phase: Phase,
    wells: pd.DataFrame,
    n_controls: int,
    n_seen: int,
    chosen: bool,
    progress: Progress,
    log: logging.Logger,
) -> TrainingClock:
    """The clock of a phase of a screen, by the site.toml of its store.

    Args:
        store: the store.
        screen: screen id.
        plugin: the readout.
        phase: the phase that is trained.
        wells: the screen's table `wells`.
        n_controls: control wells of the readout.
        n_seen: wells that have a tensor.
        chosen: as the attribute.
        progress: hears what is said.
        log: the step's log.
    """
    with_drugs = n_controls + int((wells["well_type"] == "therapy").sum())
    coming = plugin.phases[plugin.phases.index(phase) + 1 :]
    return TrainingClock(
        progress,
        log,
        what=f"{phase.name} of {screen}",
        allowed=read_site(store.root, ("training",)).training,
        chosen=chosen,
        ways_out=ways_out(plugin, plugins_of(store)),
        wells=n_seen if phase.reads_out else 0,
        later={
            other.name: with_drugs if other.labels == "duplicates" else n_controls
            for other in coming
            if other.scope == phase.scope
        },
    )


def ways_out(plugin: StagedReadout, plugins: Registry) -> list[str]:
    """What a machine that is too slow for a network, or lacks its weights, can do instead, each as a few words."""
    found = []
    small = getattr(plugin.Parameters, "presets", {}).get(_SMALL)
    if small is not None and any(getattr(plugin.parameters, name) != value for name, value in small.items()):
        found.append(f"{PRESET} = '{_SMALL}' under [parameters.{plugin.name}] in screen.toml")
    readouts = plugins.usable("readout").items()
    return found + [f"the readout {name} ({one.untrained})" for name, one in readouts if one.untrained]

"""How often the class of a drug over time is told: `python benchmarks/time_courses.py [--screens 40] [--seed 1907]`.

The simulator is not the model that classifies. Cells grow logistically; each drug acts on a population of cells that
divide and die at rates of their own, with a delay, and

    kill    the death rate exceeds the division rate, so that at most 60 % of the cells at the start are left
    slow    the division rate falls to at most 65 %, and few cells die; cells never fall by more than 12 %
    regrow  cells are killed or stopped, and a resistant part (or all, when the drug wears off) grows on
    none    the division rate is 95 to 103 % of that of untreated cells

Wells are duplicates with a coefficient of variation of 10 % for each reading (CellTiter-Glo: each time has wells of its
own) and the noise of an empty reader. Prints how many series of each kind are told, for several plans of reading, and
how often a class is right that is given with 95 % and more.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np

from phenodose.time_courses.course_classes import CLASSES
from phenodose.time_courses.series import course_classes, course_rows

PLANS = {
    "0 24 48 72 h": (0, 24, 48, 72),
    "0 24 48 72 96 h": (0, 24, 48, 72, 96),
    "0 12 24 36 48 60 72 h": (0, 12, 24, 36, 48, 60, 72),
    "0 48 96 144 h": (0, 48, 96, 144),
}
STEP_H = 0.5
CAPACITY = 60.0


def grown(divides: np.ndarray, dies: np.ndarray, start: float, hours: Sequence[float]) -> np.ndarray:
    """Cells at these hours: divisions slow down towards the capacity; rates per hour at every half hour."""
    cells, found = start, []
    at = 0
    for hour in hours:
        while at * STEP_H < hour:
            step = min(at, len(divides) - 1)
            cells *= np.exp(STEP_H * (divides[step] * max(1 - cells / CAPACITY, 0) - dies[step]))
            at += 1
        found.append(cells)
    return np.array(found)


def course(kind: str, rate: float, hours: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Cells over those at the start under a drug of a kind, drawn until it is one by what it does."""
    end, time = hours[-1], np.arange(0, hours[-1] + 1, STEP_H)
    for _ in range(2000):
        delay = rng.uniform(0, 0.15) * end
        onset = np.clip((time - delay) / 6.0, 0, 1)
        none = np.zeros_like(time)
        if kind == "none":
            return grown(rate * rng.uniform(0.95, 1.03) + none, none, 1.0, hours)
        if kind == "slow":
            left = rng.uniform(0, 0.65)
            cells = grown(rate * (1 + (left - 1) * onset), rate * rng.uniform(0, 0.08) * onset, 1.0, hours)
            if cells[-1] / cells.max() > 0.88 and cells[-1] < 0.75 * grown(rate + none, none, 1.0, hours)[-1]:
                return cells
        if kind == "kill":
            cells = grown(rate * (1 - onset), rng.uniform(0.5, 6) * 3.0 / end * onset, 1.0, hours)
            if cells[-1] <= 0.6:
                return cells
        if kind == "regrow":
            death = rng.uniform(0.0, 4) * 3.0 / end
            if rng.random() < 0.5:  # a part is resistant
                part = rng.uniform(0.1, 0.5)
                killed = grown(rate * (1 - onset), (death + 2.0 / end) * onset, 1 - part, hours)
                cells = killed + grown(rate * rng.uniform(0.85, 1) + none, none, part, hours)
            else:  # the drug wears off
                gone = rng.uniform(0.3, 0.6) * end
                acts = onset / (1 + np.exp((time - gone) / 3.0))
                cells = grown(rate * (1 - acts), death * acts, 1.0, hours)
            untreated = grown(rate + none, none, 1.0, hours)
            last, before = np.log2(cells[-1] / cells[-2]), np.log2(cells[1] / cells[0])
            usual, first = np.log2(untreated[-1] / untreated[-2]), np.log2(untreated[1] / untreated[0])
            if last >= 0.7 * usual and before <= 0.3 * first and np.log2(cells[-1] / cells.min()) >= 0.5:
                return cells
    raise RuntimeError(f"no course of the kind {kind}")


def screens(
    n: int, plan: Sequence[float], seed: int, replicates: int = 2, cv: float = 0.10
) -> Iterator[tuple[object, list[str]]]:
    """Screens of 40 drugs at one dose, ten of each kind: their readings, as `course_rows` takes them, and the truth."""
    import pandas as pd

    for number in range(n):
        rng = np.random.default_rng([seed, number, len(plan)])
        rate = np.log(2) / rng.uniform(22, 40) * min(1.0, 96 / plan[-1])
        kinds = list(CLASSES) * 10
        untreated = grown(np.full(len(np.arange(0, plan[-1] + 1, STEP_H)), rate), np.zeros(1000), 1.0, plan)
        series = [course(kind, rate, plan, rng) for kind in kinds]
        wells = [(f"D{i}", 1000.0, None, series[i]) for i in range(len(kinds)) for _ in range(replicates)]
        wells += [(None, np.nan, "negative", untreated)] * 16 + [(None, np.nan, "positive", np.zeros(len(plan)))] * 8
        readings = {}
        gain, background = rng.uniform(1e3, 1e5), rng.uniform(0, 0.02)
        for t, hour in enumerate(plan):
            cells = np.array([well[3][t] if hour or well[2] != "positive" else 1.0 for well in wells])
            noisy = cells * np.exp(rng.normal(0, cv, len(wells))) + background + rng.normal(0, 0.004, len(wells))
            readings[float(hour)] = gain * noisy
        frame = pd.DataFrame(
            {
                "plate": "1",
                "well": [f"A{i + 1:02d}" for i in range(len(wells))],
                "sample": "S",
                "drug": [well[0] for well in wells],
                "concentration_nM": [well[1] for well in wells],
                "control": [well[2] for well in wells],
                "zero": gain * background,
            }
        )
        yield (frame, readings), kinds


def told(n: int, plan: Sequence[float], seed: int, cv: float = 0.10) -> tuple[np.ndarray, float, int]:
    """Told over true classes (4, 4), and of those given with 95 % and more the share that is right, and how many."""
    table, right, sure = np.zeros((len(CLASSES), len(CLASSES)), dtype=int), 0, 0
    for (frame, readings), kinds in screens(n, plan, seed, cv=cv):
        rows = course_rows(frame, readings)
        classes = course_classes(rows)
        found = classes.set_index("drug").loc[[f"D{i}" for i in range(len(kinds))]]
        for kind, name, probability in zip(kinds, found["course_class"], found["probability"], strict=True):
            table[CLASSES.index(kind), CLASSES.index(name)] += 1
            if probability >= 0.95:
                sure += 1
                right += kind == name
    return table, right / max(sure, 1), sure


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screens", type=int, default=20, help="screens of 40 series each, for every plan")
    parser.add_argument("--seed", type=int, default=1907)
    parser.add_argument("--cv", type=float, default=0.10)
    asked = parser.parse_args()
    print(f"{asked.screens} screens of 40 series, duplicates, CV {asked.cv:.0%}, seed {asked.seed}; told in percent")  # noqa: T201
    print(f"{'plan':24}{'true':8}" + "".join(f"{name:>8}" for name in CLASSES) + "   right where sure")  # noqa: T201
    for plan, hours in PLANS.items():
        table, right, sure = told(asked.screens, hours, asked.seed, asked.cv)
        for i, name in enumerate(CLASSES):
            shares = "".join(f"{100 * value:8.1f}" for value in table[i] / table[i].sum())
            print(f"{plan if not i else '':24}{name:8}{shares}{f'   {right:.1%} of {sure}' if not i else ''}")  # noqa: T201


if __name__ == "__main__":
    main()

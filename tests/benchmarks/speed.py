"""Speed of the engine at the size of a real vocabulary, as ratios within one run.

    python -m tests.benchmarks.speed [--vocabulary 262144] [--alphas 1024] [--rounds 5] [--out FILE]

Prints a table and stores it as JSON. Three yardsticks: one `np.exp` pass over the vocabulary (for
peaks), `np.exp` of as many numbers as there are tokens times alphas (for everything with alphas),
and `scipy.special.log_softmax` of as many. A root-finder per token is timed on a sample.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.timing import best_times, machine, single_threaded, write_json

if __name__ == "__main__":
    single_threaded()

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_softmax

from steering_strength.theory.engine import TiltedFamily, TiltedPopulation
from tests.benchmarks.instances import KINDS, alphas, instance


def peaks(kind: str, size: int, rounds: int) -> dict[str, Any]:
    """All peaks of a vocabulary, in passes of np.exp over it."""
    log_p, odds = instance(kind, size)
    family, buffer = TiltedFamily(log_p, odds), np.empty(size)
    times = best_times(
        {
            "exp": lambda: [np.exp(odds, out=buffer) for _ in range(20)],
            "peaks": family.peaks,
            "brackets": family.peak_brackets,
        },
        rounds,
    )
    unit = times["exp"] / 20.0
    per_token = _one_by_one(family)
    return {
        "task": "all peaks",
        "instance": kind,
        "seconds": times["peaks"],
        "exp passes": times["peaks"] / unit,
        "exp passes, with brackets": times["brackets"] / unit,
        "brentq per token, exp passes (sampled)": per_token / unit,
        "brentq, all tokens, hours (from the sample)": per_token * size / 3600.0,
    }


def _one_by_one(family: TiltedFamily, sample: int = 3) -> float:
    """Return the seconds that scipy's brentq needs per token, as a user would write it."""
    rng = np.random.default_rng(0)
    tokens = rng.choice(family.size, sample, replace=False)

    def find() -> None:
        for z in tokens:
            level = family.log_odds[z]

            def slope(alpha: float, level: float = level) -> float:
                logits = family.log_p + alpha * family.log_odds
                p = np.exp(logits - logits.max())
                return float(p @ family.log_odds / p.sum()) - level

            reach = 1.0 / np.ptp(family.log_odds)
            while slope(-reach) * slope(reach) > 0.0:
                reach *= 2.0
            brentq(slope, -reach, reach, xtol=1e-300, rtol=1e-11)

    return best_times({"brentq": find}, 1)["brentq"] / sample


def with_alphas(kind: str, size: int, count: int, rounds: int) -> list[dict[str, Any]]:
    """Everything with alphas, against np.exp and log_softmax of as many numbers.

    What gives (A, V) numbers is called for 16 alphas at a time, like its yardsticks, so that no
    task is measured by how fast the system hands out gigabytes.
    """
    log_p, odds = instance(kind, size)
    family, strengths = TiltedFamily(log_p, odds), alphas(odds, count)
    batches = np.array_split(strengths, max(count // 16, 1))
    masks = np.arange(size) % 8 == np.arange(4)[:, None]
    logits = np.multiply.outer(batches[0], odds)
    result = np.empty_like(logits)
    tasks: dict[str, Callable[[], Any]] = {
        "np.exp": lambda: [np.exp(logits) for _ in batches],
        "np.exp, in place": lambda: [np.exp(logits, out=result) for _ in batches],
        "log_softmax": lambda: [
            log_softmax(np.multiply.outer(a, odds) + log_p, axis=1) for a in batches
        ],
        "log_probability": lambda: [family.log_probability(a) for a in batches],
        "probability_increase": lambda: [family.probability_increase(a) for a in batches],
        "cgf": lambda: family.cgf(strengths),
        "mean": lambda: family.mean(strengths),
        "variance": lambda: family.variance(strengths),
        "cross_entropy_increase": lambda: family.cross_entropy_increase(strengths),
        "reverse_kl": lambda: family.reverse_kl(strengths),
        "concept_log_odds, one": lambda: family.concept_log_odds(masks[0], strengths),
        "concept_log_odds, four": lambda: family.concept_log_odds(masks, strengths),
    }
    times = best_times(tasks, rounds)
    return [
        {
            "task": name,
            "instance": kind,
            "seconds": seconds,
            "to np.exp": seconds / times["np.exp"],
            "to np.exp, in place": seconds / times["np.exp, in place"],
            "to log_softmax": seconds / times["log_softmax"],
        }
        for name, seconds in times.items()
    ]


def population(contexts: int, size: int, count: int, rounds: int) -> list[dict[str, Any]]:
    """Many contexts in one call, in memory and mapped from disk, against a loop over families."""
    rng = np.random.default_rng(0)
    logits = 2.0 * rng.normal(size=(contexts, size))
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    odds, strengths = rng.normal(size=size), np.linspace(-2.0, 2.0, count)
    some = contexts // 100
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log_p.npy"
        np.save(path, log_p)
        here = TiltedPopulation(log_p, odds)
        there = TiltedPopulation(np.load(path, mmap_mode="r"), odds)
        times = best_times(
            {
                "in memory": lambda: here.cross_entropy_increase(strengths),
                "memory-mapped": lambda: there.cross_entropy_increase(strengths),
                "a loop, 1 % of the contexts": lambda: [
                    TiltedFamily(row, odds).cross_entropy_increase(strengths)
                    for row in log_p[:some]
                ],
            },
            rounds,
        )
    times["a loop, extrapolated"] = times.pop("a loop, 1 % of the contexts") * contexts / some
    return [{"task": name, "seconds": seconds} for name, seconds in times.items()]


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print one table."""
    print(f"\n{title}")
    keys = list(rows[0])
    cells = [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]
    widths = [max(len(x) for x in column) for column in zip(keys, *cells, strict=True)]
    for line in [keys, *cells]:
        print("  ".join(x.ljust(w) for x, w in zip(line, widths, strict=True)).rstrip())


def main() -> None:
    """Run everything, print it, store it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabulary", type=int, default=262_144)
    parser.add_argument("--alphas", type=int, default=1_024)
    parser.add_argument("--contexts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks/speed.json"))
    given = parser.parse_args()
    record: dict[str, Any] = {
        "machine": machine(),
        "vocabulary": given.vocabulary,
        "alphas": given.alphas,
        "instances": KINDS,
        "peaks": [peaks(kind, given.vocabulary, 4 * given.rounds) for kind in KINDS],
    }
    show(f"All peaks, V = {given.vocabulary}", record["peaks"])
    record["with alphas"] = []
    for kind in KINDS:
        rows = with_alphas(kind, given.vocabulary, given.alphas, given.rounds)
        show(f"{given.alphas} alphas, V = {given.vocabulary}, {kind}", rows)
        record["with alphas"] += rows
    record["population"] = population(given.contexts, 1_000, 32, given.rounds)
    show(f"{given.contexts} contexts, V = 1000, 32 alphas", record["population"])
    write_json(given.out, record)


if __name__ == "__main__":
    main()

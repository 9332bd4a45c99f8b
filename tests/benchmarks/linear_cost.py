"""The cost is linear in V and in the number of alphas: a plot from V = 1e3 to 1e7.

    python -m tests.benchmarks.linear_cost [--largest 1e7] [--rounds 3] [--out FOLDER]

Writes linear_cost.json and linear_cost.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tests.benchmarks.timing import best_times, machine, single_threaded, write_json

if __name__ == "__main__":
    single_threaded()

import matplotlib
import numpy as np

from steering_strength.theory.engine import TiltedFamily
from tests.benchmarks.instances import alphas, instance

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def at_size(size: int, count: int, rounds: int) -> dict[str, float]:
    """Seconds at V = size; `count` alphas where there are any."""
    log_p, odds = instance("gaussian", size)
    family, strengths = TiltedFamily(log_p, odds), alphas(odds, count)
    buffer = np.empty(size)
    return best_times(
        {
            "np.exp": lambda: np.exp(odds, out=buffer),
            "cgf": lambda: family.cgf(strengths),
            "variance": lambda: family.variance(strengths),
            "peaks": family.peaks,
        },
        rounds,
    )


def draw(record: dict[str, Any], path: Path) -> None:
    """Seconds over V and over A, log-log, with a line of slope 1 through each last point."""
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.8), constrained_layout=True)
    for axis, key, label in (
        (axes[0], "vocabulary", f"V ({record['alphas at each V']} alphas)"),
        (axes[1], "alphas", f"alphas (V = {record['V at each A']})"),
    ):
        rows = record[key]
        sizes = np.array([row["size"] for row in rows], dtype=float)
        for name in rows[0]["seconds"]:
            seconds = np.array([row["seconds"][name] for row in rows])
            axis.loglog(sizes, seconds, "o-", label=name, markersize=4)
            axis.loglog(sizes, seconds[-1] * sizes / sizes[-1], ":", color="0.6", linewidth=1)
        axis.set_xlabel(label)
        axis.set_ylabel("processor seconds, one thread")
        axis.legend(frameon=False)
    axes[0].set_title("linear in V")
    axes[1].set_title("linear in the number of alphas")
    figure.savefig(path, dpi=150)
    print(f"wrote {path}")


def main() -> None:
    """Measure, print, store, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=float, default=1e7)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("out/benchmarks"))
    given = parser.parse_args()
    count, size = 16, 10_000
    sizes = [int(10.0**k) for k in np.arange(3.0, np.log10(given.largest) + 0.25, 0.5)]
    counts = [1, 4, 16, 64, 256, 1024, 4096]
    record: dict[str, Any] = {
        "machine": machine(),
        "alphas at each V": count,
        "V at each A": size,
        "vocabulary": [{"size": v, "seconds": at_size(v, count, given.rounds)} for v in sizes],
        "alphas": [],
    }
    for a in counts:
        seconds = at_size(size, a, given.rounds)
        record["alphas"].append(
            {"size": a, "seconds": {k: seconds[k] for k in ("cgf", "variance")}}
        )
    for row in record["vocabulary"] + record["alphas"]:
        nanoseconds = {k: f"{1e9 * t / row['size']:.3g}" for k, t in row["seconds"].items()}
        print(f"{row['size']:>9}  ns per token or alpha: {nanoseconds}")
    write_json(given.out / "linear_cost.json", record)
    draw(record, given.out / "linear_cost.png")


if __name__ == "__main__":
    main()

"""The advisor against what is done today: bisection on measured KL, and a grid of alphas.

    python -m benchmarks.advice [--model smollm2] [--contexts 12] [--budget 0.5] [--json FILE]

One run, one vector per site, the same contexts, every method wants the same thing: for each context
the alpha at which KL(p || p_alpha) at its last position is the budget.

*Bisection* is iso-KL calibration as one would write it with a hook: logits of the last position
only, all contexts in one padded batch with a strength for each row, contexts that are done leave
the batch. It starts at |h| / (10 |v|), a tenth of the states' length, steps by factors of 2 to a
bracket and bisects the logarithm of alpha until the measured KL is within 1 % of the budget. *Grid*
is a sweep of 24 alphas, geometric over two decades round the same start, with the budget
interpolated in log-log.

What is counted: forward passes, one text through the whole model being one; a pass that reuses the
blocks below the site counts the share it runs, and `texts` counts it as one. Reading P and N is
counted for nobody. The error is |measured KL / budget - 1| under a hooked pass that none of the
methods made, and for the alphas |alpha / alpha* - 1| with alpha* from the bisection continued to
1e-4. Seconds are processor time of one thread.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.timing import machine, write_json
from steering_strength.proofs_check.bridge.extra import quiet, require, versions
from steering_strength.theory.errors import SteeringError

Floats = NDArray[np.float64]

CLOSE = 0.01
GRID = 24
ROUNDS = 40


@dataclass
class Hooked:
    """Log-probabilities of the last position by forward passes with a hook; counts them."""

    loaded: Any
    anatomy: Any
    vector: Any
    batch: Any
    texts: int = 0

    def __call__(self, rows: NDArray[np.intp], alphas: Floats) -> Floats:
        import torch
        from steering_strength.proofs_check.bridge._old.hooks import Captured, Steered
        from steering_strength.proofs_check.bridge._old.upper import read_out

        chosen = torch.as_tensor(rows)
        longest = int(self.batch.last[chosen].max()) + 1
        ids, mask = self.batch.ids[chosen, :longest], self.batch.mask[chosen, :longest]
        v = torch.as_tensor(self.vector.values).to(self.anatomy.unembedding.weight.dtype)
        site = self.vector.site.module(self.anatomy)
        keep = {"logits_to_keep": 1}
        # Hooks fire in the order they were attached: the reading one must see the steered state.
        steering = Steered(site, v, torch.as_tensor(alphas))
        with torch.no_grad(), steering, Captured(self.anatomy.final_norm) as normed:
            self.loaded.model(input_ids=ids, attention_mask=mask, use_cache=False, **keep)
        self.texts += len(rows)
        states = normed.value[torch.arange(len(rows)), self.batch.last[chosen]]
        logits = read_out(self.anatomy, states)
        return np.asarray(torch.log_softmax(logits, dim=-1).numpy())


def divergences(p: Floats, rows: Floats) -> Floats:
    """KL(p || q) of each row."""
    return np.asarray((np.exp(p) * (p - rows)).sum(axis=1))


def start_of(hooked: Hooked) -> Floats:
    meta = hooked.vector.metadata
    return np.full(hooked.batch.rows, 0.1 * meta.residual_norm / meta.norm)


def bisection(hooked: Hooked, budget: float, close: float = CLOSE) -> tuple[Floats, Floats]:
    """(alpha, KL) of each context."""
    count = hooked.batch.rows
    everyone = np.arange(count)
    base = hooked(everyone, np.zeros(count))
    alpha, spent = start_of(hooked), np.full(count, np.nan)
    low, high = np.zeros(count), np.full(count, np.inf)
    open_ = np.ones(count, dtype=bool)
    for _ in range(ROUNDS):
        index = np.flatnonzero(open_)
        if not index.size:
            break
        spent[index] = divergences(base[index], hooked(index, alpha[index]))
        over = spent[index] >= budget
        high[index[over]] = alpha[index[over]]
        low[index[~over]] = alpha[index[~over]]
        open_[index[np.abs(spent[index] / budget - 1) <= close]] = False
        index = np.flatnonzero(open_)
        # No bracket yet: double or halve. Then the geometric mean.
        lower = np.where(low[index] > 0, low[index], high[index] / 4)
        upper = np.where(np.isfinite(high[index]), high[index], low[index] * 4)
        alpha[index] = np.sqrt(lower * upper)
    return alpha, spent


def grid_sweep(hooked: Hooked, budget: float) -> tuple[Floats, Floats]:
    """The first crossing on a geometric grid, interpolated in log-log."""
    count = hooked.batch.rows
    everyone = np.arange(count)
    base = hooked(everyone, np.zeros(count))
    factors = np.geomspace(0.1, 10.0, GRID)
    table = np.stack(
        [divergences(base, hooked(everyone, start_of(hooked) * f)) for f in factors], axis=1
    )
    alpha = np.full(count, np.nan)
    for j, row in enumerate(table):
        over = np.flatnonzero(row >= budget)
        if over.size and over[0] > 0:
            i = over[0]
            x, y = np.log(factors[i - 1 : i + 1]), np.log(row[i - 1 : i + 1])
            alpha[j] = start_of(hooked)[j] * np.exp(np.interp(np.log(budget), y, x))
    return alpha, np.full(count, np.nan)


def advised(bench: Bench, vector: Any, budget: float) -> tuple[Floats, float, int, float]:
    """(alpha, passes, texts, seconds) of the advisor."""
    from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
    from steering_strength.proofs_check.bridge.advisor.model import advise_model

    demand = Demand.of(
        bench.anatomy.vocabulary, None, level=None, cross_entropy=budget, reverse_kl=None,
        before_peak="no", sign=1, plateau=0.01,
    )  # fmt: skip
    start = process_time()
    found = advise_model(bench.loaded, bench.anatomy, vector, bench.batch, demand, limits=False)
    return found.advice.highs, found.passes, found.texts, process_time() - start


class Bench:
    """The model, the contexts and a vector for every site."""

    def __init__(
        self, name: str, concept: str, contexts: int, layers: Sequence[int] | None
    ) -> None:
        import torch
        from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
        from steering_strength.proofs_check.bridge._old.encoding import encode
        from steering_strength.proofs_check.bridge._old.models import load_model
        from steering_strength.proofs_check.bridge.concept_texts import load_concept
        from steering_strength.proofs_check.bridge.sites import FINAL_NORM, Site
        from steering_strength.proofs_check.bridge.steering.making import difference_vectors

        torch.set_num_threads(1)
        self.loaded = load_model(name, "float32")
        self.anatomy = inspect_model(self.loaded.model)
        texts = load_concept(concept)
        self.batch = encode(self.loaded.tokenizer, texts.contexts[:contexts])
        depth = len(self.anatomy.blocks)
        chosen = layers or (depth // 4, depth // 2, 3 * depth // 4, depth - 1)
        blocks = difference_vectors(
            self.loaded, self.anatomy, texts.positive, texts.neutral, [Site(i) for i in chosen]
        )
        last = difference_vectors(
            self.loaded, self.anatomy, texts.positive, texts.neutral, [FINAL_NORM], read="last"
        )
        self.vectors = [vector for vector, _ in (*last, *blocks)]

    def site(self, vector: Any, budget: float) -> dict[str, Any]:
        """All methods at one site, in turn; then what each alpha really spends."""
        judge = Hooked(self.loaded, self.anatomy, vector, self.batch)
        exact, _ = bisection(judge, budget, 1e-4)
        base = judge(np.arange(self.batch.rows), np.zeros(self.batch.rows))
        rows: dict[str, Any] = {}
        for name, method in (("bisection", bisection), ("grid", grid_sweep)):
            rows[name] = self._today(method, vector, budget)
        alpha, passes, texts, seconds = advised(self, vector, budget)
        rows["advisor"] = {"alpha": alpha, "passes": passes, "texts": texts, "seconds": seconds}
        for row in rows.values():
            known = np.flatnonzero(np.isfinite(row["alpha"]))
            spent = divergences(base[known], judge(known, row["alpha"][known]))
            error = np.abs(spent / budget - 1)
            shift = np.abs(row["alpha"][known] / exact[known] - 1)
            row |= {
                "missing": int(self.batch.rows - known.size),
                "budget_error_median": float(np.median(error)),
                "budget_error_max": float(error.max()),
                "alpha_error_median": float(np.median(shift)),
                "alpha_error_max": float(shift.max()),
                "alpha": row["alpha"].tolist(),
            }
        return {"site": vector.site.name, "methods": rows}

    def _today(
        self, method: Callable[[Hooked, float], tuple[Floats, Floats]], vector: Any, budget: float
    ) -> dict[str, Any]:
        hooked, start = Hooked(self.loaded, self.anatomy, vector, self.batch), process_time()
        alpha, _ = method(hooked, budget)
        seconds = process_time() - start
        return {
            "alpha": alpha, "passes": float(hooked.texts), "texts": hooked.texts, "seconds": seconds
        }  # fmt: skip


def table(results: Sequence[dict[str, Any]], contexts: int) -> str:
    lines = [
        f"{'site':<14}{'method':<11}{'passes/context':>15}{'texts':>7}{'seconds':>9}"
        f"{'KL error med':>14}{'max':>9}{'alpha error max':>17}{'passes vs bisection':>21}"
    ]
    for result in results:
        today = result["methods"]["bisection"]["passes"]
        for name, row in result["methods"].items():
            missing = f"  ({row['missing']} not found)" if row["missing"] else ""
            lines.append(
                f"{result['site']:<14}{name:<11}{row['passes'] / contexts:>15.2f}{row['texts']:>7}"
                f"{row['seconds']:>9.2f}{row['budget_error_median']:>14.2%}"
                f"{row['budget_error_max']:>9.2%}{row['alpha_error_max']:>17.2%}"
                f"{row['passes'] / today:>21.3f}{missing}"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advice", description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--concept", default="joy")
    parser.add_argument("--contexts", type=int, default=12)
    parser.add_argument("--budget", type=float, default=0.5, help="nats (default: 0.5)")
    parser.add_argument("--layers", help="blocks from 0, such as 7,15")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        quiet()
        require()
        layers = [int(part) for part in options.layers.split(",")] if options.layers else None
        bench = Bench(options.model, options.concept, options.contexts, layers)
        results = []
        for vector in bench.vectors:
            results.append(bench.site(vector, options.budget))
            print(table(results[-1:], bench.batch.rows), flush=True)
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        about = {"model": options.model, "concept": options.concept, "budget": options.budget}
        record = {
            **about, "contexts": bench.batch.rows, "machine": machine(), "versions": versions(),
            "sites": results,
        }  # fmt: skip
        write_json(Path(options.json), record)
    return 0


if __name__ == "__main__":
    sys.exit(main())

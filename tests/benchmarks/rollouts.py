"""A strength per generated token: predicted from unsteered texts, against calibration by roll-outs.

    python -m tests.benchmarks.rollouts [--model smollm2] [--device cpu] [--sites final_norm,15]

The target is that of the one published calibrator (github.com/wassname/isokl_steering_calibration,
commit 9aeacb6): the 95th percentile, pooled over all tokens of all texts, of KL(steered || base) is
1 nat on greedy texts written under steering. It is searched there by steered roll-outs alone, a
bracket by doubling and then false position in log alpha and log KL; `by_rollouts` is that search,
written anew from its description and source, with its settings. Ours is `advise_trajectories`.
Same model, vector, prompts, length, processor; tokens are forward passes of one token.

Both are then judged alike: one more steered roll-out at the answer, on the prompts of the
calibration and on prompts that neither has seen.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from steering_strength.proofs_check.bridge.loading import quiet, require, versions
from tests.benchmarks.timing import machine, write_json

TARGET, PERCENTILE = 1.0, 0.95
# Of the published calibrator: bracket of the coefficient of a vector of length 1, nats, rounds.
BRACKET, TOLERANCE, ROUNDS = (0.01, 4096.0), 0.05, 12


class Counted:
    """Steered roll-outs of a model along a unit vector, and what they cost."""

    def __init__(self, model: Any, vector: Any, contexts: Any, length: int) -> None:
        self.model, self.vector, self.contexts = model, vector, contexts
        self.length, self.rollouts = length, 0

    def percentile(self, alpha: float) -> float:
        """The pooled percentile on texts written at alpha."""
        import numpy as np

        from steering_strength.proofs_check.bridge.generated import Reading

        self.rollouts += 1
        with self.model.steered(self.vector, alpha):
            texts = self.model.continued(self.contexts, self.length)
        costs = Reading(self.model, self.vector, texts).costs(alpha)
        return float(np.quantile(costs.reverse, PERCENTILE))


def by_rollouts(measured: Counted) -> float:
    """Bracket by doubling or halving, then false position (Illinois) in logarithms."""
    norm = measured.vector.norm

    def at(c: float) -> float:
        return measured.percentile(c / norm)

    c = math.sqrt(BRACKET[0] * BRACKET[1])
    value = at(c)
    factor = 2.0 if value < TARGET else 0.5
    while BRACKET[0] < c < BRACKET[1]:
        before, known = c, value
        c *= factor
        value = at(c)
        if (value >= TARGET) == (factor > 1.0):
            break
    (low, below), (high, above) = sorted([(before, known), (c, value)])
    tried, stale = [(low, below), (high, above)], [0, 0]
    for _ in range(ROUNDS):
        # An end that stayed for two rounds counts half.
        bottom = math.log(max(below, 1e-300)) - math.log(2.0) * (stale[0] >= 2)
        top = math.log(above) - math.log(2.0) * (stale[1] >= 2)
        share = (math.log(TARGET) - bottom) / (top - bottom) if top != bottom else 0.5
        c = low * (high / low) ** share
        if not low < c < high:
            c = math.sqrt(low * high)
        value = at(c)
        tried.append((c, value))
        if abs(value - TARGET) < TOLERANCE:
            break
        if value < TARGET:
            low, below, stale = c, value, [0, stale[1] + 1]
        else:
            high, above, stale = c, value, [stale[0] + 1, 0]
    return min(tried, key=lambda pair: abs(pair[1] - TARGET))[0] / norm


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Both ways at every site; returns the record."""
    import torch

    from steering_strength.proofs_check.bridge.model import SteeredModel
    from steering_strength.proofs_check.bridge.texts import load_concept

    torch.set_num_threads(1)
    model, concept = SteeredModel.load(options.model), load_concept("joy")
    model = SteeredModel(model.hf_model.to(options.device), model.tokenizer, name=model.name)
    clock = process_time if options.device == "cpu" else perf_counter
    half = len(concept.contexts) // 2
    seen, unseen = concept.contexts[:half], concept.contexts[half:]
    found: dict[str, Any] = {}
    print(f"{half} prompts, {options.length} tokens each: p95 of KL(steered || base) = {TARGET:g}")
    print(f"{'site':<12}{'way':<12}{'alpha':>8}{'roll-outs':>10}{'tokens':>9}{'seconds':>9}"
          f"{'p95':>8}{'unseen':>8}")  # fmt: skip
    for site in options.sites.split(","):
        vector = model.vector(concept.positive, concept.neutral, site)
        for way in ("advise", "roll-outs"):
            measured = Counted(model, vector, seen, options.length)
            spent, start = model.cost.tokens, clock()
            if way == "advise":
                advice = model.advise(
                    vector, seen, per_token=TARGET, percentile=PERCENTILE, direction="reverse",
                    length=options.length,
                )  # fmt: skip
                alpha, rollouts = advice.alpha, advice.rollouts
            else:
                alpha, rollouts = by_rollouts(measured), measured.rollouts
            seconds, tokens = clock() - start, model.cost.tokens - spent
            reached = [
                Counted(model, vector, texts, options.length).percentile(alpha)
                for texts in (seen, unseen)
            ]
            found[f"{site} {way}"] = [alpha, rollouts, tokens, seconds, *reached]
            print(f"{site:<12}{way:<12}{alpha:>8.3f}{rollouts:>10}{tokens:>9,.0f}{seconds:>9.1f}"
                  f"{reached[0]:>8.3f}{reached[1]:>8.3f}", flush=True)  # fmt: skip
    shown = {name: getattr(options, name) for name in ("device", "length")}
    return {"model": model.name, **shown, "found": found}


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m tests.benchmarks.rollouts"
    )
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--device", default="cpu", help="a CPU counts processor time of one thread")
    parser.add_argument("--sites", default="final_norm,15")
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--json", help="also write the record here")
    options = parser.parse_args()
    quiet()
    require()
    record = run(options)
    if options.json:
        write_json(Path(options.json), {"machine": machine(), "versions": versions(), **record})
    return 0


if __name__ == "__main__":
    sys.exit(main())

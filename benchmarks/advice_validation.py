"""Is the advice right on a real model? Budgets under a plain hook, and texts to read.

    python -m benchmarks.advice_validation --out DIR [--model smollm2] [--concepts joy,sadness]

For every concept and site: (1) each of a dozen contexts gets its own alpha for the budget, and a
hooked forward pass, which the advisor never made, says what it spends; (2) one alpha for all is
chosen on a dozen other contexts, `CHOICE`, as the median of their own alphas, and is judged on the
first dozen; (3) the first few of the dozen are continued at 0, 0.5, 1 and 2 times that
alpha, side by side in `samples.html` and `samples.md`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.advice import Hooked, divergences
from benchmarks.timing import machine, write_json
from steering_strength.proofs_check.bridge.extra import quiet, require, versions
from steering_strength.theory.errors import SteeringError

# Everyday beginnings, of the kind that the packaged concepts keep as contexts, and none of them.
CHOICE = (
    "After the long drive home, we were",
    "The teacher read my essay and said it was",
    "On my way to the market this morning I felt",
    "The old dog lay by the fire and looked",
    "When the phone rang at midnight, he was",
    "Our neighbours have a new baby, and they seem",
    "The exam results came in the post, and I",
    "Every evening my grandmother sits at the window and",
    "The garden behind the house is",
    "It was the last day of the holidays, and the children",
    "I have been working here for ten years, and it has been",
    "She finished the book and began to",
)


def judged(loaded: Any, anatomy: Any, vector: Any, batch: Any, alphas: Any) -> Any:
    """KL(p || p_alpha) of each context by hooked passes."""
    hooked = Hooked(loaded, anatomy, vector, batch)
    everyone = np.arange(batch.rows)
    base = hooked(everyone, np.zeros(batch.rows))
    return divergences(base, hooked(everyone, np.asarray(alphas, dtype=np.float64)))


def site_record(
    loaded: Any, anatomy: Any, vector: Any, texts: Any, others: Sequence[str], budget: float
) -> Any:
    from steering_strength.proofs_check.bridge._old.encoding import encode
    from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
    from steering_strength.proofs_check.bridge.advisor.model import advise_model

    demand = Demand.of(
        anatomy.vocabulary, None, level=None, cross_entropy=budget, reverse_kl=None,
        before_peak="no", sign=1, plateau=0.01,
    )  # fmt: skip
    held_out = encode(loaded.tokenizer, texts.contexts)
    choice = encode(loaded.tokenizer, others)
    own = advise_model(loaded, anatomy, vector, held_out, demand, limits=False)
    chosen = advise_model(loaded, anatomy, vector, choice, demand, limits=False)
    alpha = float(np.median(chosen.advice.highs))
    error = np.abs(judged(loaded, anatomy, vector, held_out, own.advice.highs) / budget - 1)
    spent = judged(loaded, anatomy, vector, held_out, np.full(held_out.rows, alpha))
    return {
        "site": vector.site.name,
        "alpha_own": own.advice.highs.tolist(),
        "own_error_median": float(np.median(error)),
        "own_error_max": float(error.max()),
        "passes_per_context": own.passes / held_out.rows,
        "alpha_chosen": alpha,
        "held_out_median": float(np.median(spent)),
        "held_out_mean": float(spent.mean()),
        "held_out_range": [float(spent.min()), float(spent.max())],
    }


def line(concept: str, row: Any, budget: float) -> str:
    low, high = row["held_out_range"]
    return (
        f"{concept:<9}{row['site']:<14}{row['own_error_median']:>9.2%}{row['own_error_max']:>9.2%}"
        f"{row['passes_per_context']:>8.2f}{row['alpha_chosen']:>9.3f}"
        f"{row['held_out_median'] / budget:>9.2f}{row['held_out_mean'] / budget:>7.2f}"
        f"   {low / budget:.2f} to {high / budget:.2f}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.advice_validation", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--concepts", default="joy,sadness")
    parser.add_argument("--layers", default="7,15,22,29", help="blocks, besides the final norm")
    parser.add_argument("--budget", type=float, default=0.5, help="nats (default: 0.5)")
    parser.add_argument("--samples", type=int, default=4, help="contexts continued (default: 4)")
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--out", required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    quiet()
    require()
    import torch
    from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
    from steering_strength.proofs_check.bridge._old.encoding import encode
    from steering_strength.proofs_check.bridge._old.models import load_model
    from steering_strength.proofs_check.bridge.advisor.samples import (
        FACTORS,
        Sampled,
        generate,
        write_page,
    )
    from steering_strength.proofs_check.bridge.concept_texts import load_concept
    from steering_strength.proofs_check.bridge.sites import FINAL_NORM, Site
    from steering_strength.proofs_check.bridge.steering.making import difference_vectors

    from steering_strength.theory.files import output_folder

    folder = output_folder(options.out)
    torch.set_num_threads(1)
    loaded = load_model(options.model, "float32")
    anatomy = inspect_model(loaded.model)
    blocks = [Site(int(part)) for part in options.layers.split(",")]
    records, samples = [], []
    print("concept  site           own KL error     passes   one      held-out KL / budget")
    print("                       median      max /context  alpha   median   mean   range")
    for name in options.concepts.split(","):
        texts = load_concept(name)
        others = [text for text in CHOICE if text not in texts.contexts]
        sides = (texts.positive, texts.neutral)
        made = [
            *difference_vectors(loaded, anatomy, *sides, [FINAL_NORM], read="last"),
            *difference_vectors(loaded, anatomy, *sides, blocks),
        ]
        for vector, _ in made:
            row = site_record(loaded, anatomy, vector, texts, others, options.budget)
            records.append({"concept": name, **row})
            print(line(name, row, options.budget), flush=True)
            batch = encode(loaded.tokenizer, texts.contexts[: options.samples])
            alphas = tuple(factor * row["alpha_chosen"] for factor in FACTORS)
            steered = alphas[1:]
            for j in range(batch.rows):
                prices = [
                    float(judged(loaded, anatomy, vector, batch.row(j), [a])[0]) for a in steered
                ]
                words = generate(loaded, anatomy, vector, batch.row(j), alphas, options.tokens)
                spent = ", ".join(f"{price:.2g}" for price in prices)
                note = f"the first token's Delta CE: {spent} nats at half, once and twice"
                site = f"{name}, {vector.site.name}"
                samples.append(Sampled(site, texts.contexts[j], alphas, words, note))
    title = f"Advised for {options.budget:g} nats of Delta CE on other contexts: {options.model}"
    paths = write_page(samples, folder, title)
    print("written: " + ", ".join(str(path) for path in paths))
    write_json(
        folder / "validation.json",
        {"budget": options.budget, "machine": machine(), "versions": versions(), "rows": records},
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

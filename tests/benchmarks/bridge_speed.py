"""Steering sweeps on a real model against full forward passes, on a CPU or a GPU, in one run.

    python -m tests.benchmarks.bridge_speed [--model smollm2 | 8b | small | NAME] [--device cpu]

`8b` is a Qwen3-8B shape with random weights in bfloat16, built on the device; `small` has eight
blocks in float32, for a machine without a GPU. The straightforward way is a hook on the block, full
passes, logits at all positions, the last ones taken. Each pair computes the same numbers, which are
compared before anything is timed. A CPU counts processor time of one thread, a GPU wall time.
Ratios within one run are what to compare.
"""

from __future__ import annotations

import argparse
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from steering_strength.proofs_check.bridge.loading import quiet, require, versions
from steering_strength.theory.errors import SteeringError
from tests.benchmarks.timing import machine, write_json

# What a CPU does in a minute, and what a GPU does in one second.
SIZES = {False: (4, 9, 32), True: (12, 33, 64)}
BUDGET = 0.5
# Vocabulary, width, inner width, blocks, heads, heads of keys and values, width of a head; dtype.
SHAPES = {
    "8b": ((151_936, 4096, 12_288, 36, 32, 8, 128), "bfloat16"),
    "small": ((8_192, 256, 768, 8, 4, 2, 64), "float32"),
}
NAMES = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim",
)  # fmt: skip


def build(name: str, device: str) -> Any:
    """The model, on its device."""
    import torch

    from steering_strength.proofs_check.bridge.model import SteeredModel

    if name not in SHAPES:
        model = SteeredModel.load(name)
        return SteeredModel(model.hf_model.to(device), model.tokenizer, name=model.name)
    import transformers

    shape, dtype = SHAPES[name]
    config = transformers.Qwen3Config(
        tie_word_embeddings=False, **dict(zip(NAMES, shape, strict=True))
    )
    with torch.device(device):
        torch.set_default_dtype(getattr(torch, dtype))
        try:
            hf_model = transformers.AutoModelForCausalLM.from_config(config)
        finally:
            torch.set_default_dtype(torch.float32)
    return SteeredModel(hf_model.eval().requires_grad_(False), None, name=f"random {name}")


class Bench:
    """Contexts at half depth, a vector, and both ways."""

    def __init__(self, model: Any, seed: int) -> None:
        import numpy as np
        import torch

        from steering_strength.proofs_check.bridge.texts import pad
        from steering_strength.proofs_check.bridge.vectors import Site, SteeringVector

        rng = np.random.default_rng(seed)
        self.model, self.site = model, Site(len(model.blocks) // 2)
        contexts, strengths, tokens = SIZES[model.device.type == "cuda"]
        self.batch = pad(rng.integers(1, 8_000, (contexts, tokens)).tolist())
        self.vector = SteeringVector(rng.standard_normal(model.width), self.site)
        self.held = model.hold(self.batch, self.site)
        scale = float(self.held.lengths[0]) / self.vector.norm
        self.alphas = np.linspace(0.0, 2.0 * scale, strengths)
        self.torch = torch
        self.rows = [(j, a) for a in self.alphas.tolist() for j in range(contexts)]

    def forward(self) -> Any:
        """One full pass of all contexts, last logits: the unit."""
        return self.model.forward(self.batch.ids, last_only=True).logits

    def full(self) -> Any:
        """Every strength by a hooked full pass of all contexts, logits everywhere."""
        found = []
        for alpha in self.alphas.tolist():
            with self.model.steered(self.vector, alpha):
                found.append(self.model.forward(self.batch.ids).logits[:, -1].float())
        return self.torch.cat(found).cpu()

    def held_rows(self) -> Any:
        """The same from blocks below once: holding is part of the price."""
        return self.read(self.model.hold(self.batch, self.site), self.rows)

    def read(self, held: Any, rows: Any) -> Any:
        """Logits of (context, alpha) rows, as `full` gives them."""
        contexts, alphas = zip(*rows, strict=True)
        normed = held.last_normed(contexts, alphas, self.vector)
        return self.model.logits(normed).float().cpu()

    def derivative(self) -> Any:
        """d logits / d alpha of every context, blocks below included."""
        return self.model.derivative(self.site, self.vector, self.batch)

    def window(self) -> Any:
        """A budget of Delta CE for every context, from nothing."""
        found = self.model.at(self.site, self.vector, self.batch)
        found[0].together([(curve, "cross_entropy_root", (BUDGET, 1)) for curve in found])
        return found

    def generated(self) -> Any:
        """8 tokens behind each context (a GPU: 32), steered, by the model's own generate."""
        length = 32 if self.model.device.type == "cuda" else 8
        with self.model.steered(self.vector, float(self.alphas[1])):
            return self.model.continued(self.batch, length, stop=False)

    def synchronisations(self, strengths: int) -> int:
        """How often the device is waited for while so many strengths are held and read."""
        self.torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            self.read(self.held, self.rows[: strengths * self.batch.rows])
        self.torch.cuda.set_sync_debug_mode("default")
        return len(seen)

    def timed(self, task: Callable[[], Any], rounds: int) -> tuple[float, float]:
        """(seconds, GiB): best of `rounds`; peak device memory, or peak of the process."""
        cuda = self.model.device.type == "cuda"
        best, clock = float("inf"), perf_counter if cuda else process_time
        if cuda:
            self.torch.cuda.reset_peak_memory_stats()
        for _ in range(rounds):
            start = clock()
            task()
            if cuda:
                self.torch.cuda.synchronize()
            best = min(best, clock() - start)
        if cuda:
            return best, self.torch.cuda.max_memory_allocated() / 2**30
        return best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All tasks; returns the record."""
    import torch

    if options.device == "cpu":
        torch.set_num_threads(1)
    bench = Bench(build(options.model, options.device), options.seed)
    print(bench.model, file=sys.stderr)
    # The unit is compared in log-probabilities: 16-bit logits carry their own rounding.
    full, held = (way().double().log_softmax(-1) for way in (bench.full, bench.held_rows))
    error = float((full.exp() * (full - held)).sum(-1).abs().max())
    allowed = max(1e-6, 30.0 * bench.model.floor)
    if not error <= allowed:
        raise SteeringError(f"the two ways differ by {error:.2g} nats", remedy="do not time them")
    tasks = {
        "forward": bench.forward,
        "full passes": bench.full,
        "held": bench.held_rows,
        "derivative": bench.derivative,
        "budget window": bench.window,
        "generated": bench.generated,
    }
    found: dict[str, Any] = {}
    print(f"{'task':<16}{'seconds':>9}{'passes':>9}{'peak GiB':>10}")
    for name, task in tasks.items():
        seconds, memory = bench.timed(task, options.rounds)
        found[name] = {"seconds": seconds, "gib": memory}
        unit = seconds / found["forward"]["seconds"]
        print(f"{name:<16}{seconds:>9.3f}{unit:>9.1f}{memory:>10.2f}")
    ratio = found["full passes"]["seconds"] / found["held"]["seconds"]
    shape = f"{len(bench.alphas)} strengths x {bench.batch.rows} contexts"
    print(f"{shape} at half depth: {ratio:.2f} times faster held")
    device = options.device
    if device != "cpu":
        device = torch.cuda.get_device_name()
        few, many = (bench.synchronisations(count) for count in (1, len(bench.alphas)))
        print(f"{device} waited for {few} times by 1 strength, {many} by {len(bench.alphas)}")
        found["synchronisations"] = [few, many]
    return {"model": bench.model.name, "device": device, "error": error, "tasks": found}


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m tests.benchmarks.bridge_speed"
    )
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", help="also write the record here")
    options = parser.parse_args()
    quiet()
    try:
        require()
        record = run(options)
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        write_json(Path(options.json), {"machine": machine(), "versions": versions(), **record})
    return 0


if __name__ == "__main__":
    sys.exit(main())

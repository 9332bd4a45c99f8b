"""Sweeps over alpha on a real model, against the straightforward way, in one run on the CPU.

    python -m benchmarks.bridge_speed [--model smollm2] [--alphas 32] [--json FILE]

Straightforward: one full forward pass for every batch of alphas, a hook on the block, logits at all
positions, the last one taken; it costs the same for every alpha, so it is timed on 16 of them and
scaled. Both keep log p of 64 tokens. Times are processor time of one thread, best of interleaved
rounds, so a busy machine changes them little; memory is the growth of the peak resident set. The
results of every pair are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.timing import machine, write_json
from steering_strength.proofs_check.bridge.extra import quiet, require, versions
from steering_strength.theory.errors import SteeringError

# Rows of a batch: 8 is where a CPU is fastest per alpha, for both ways.
BATCH = 8
FEW = 16
# Rows of a read-out: the unembedding is read from memory once for each batch.
READ = 32
KEPT = 64


def peak_growth(task: Callable[[], Any]) -> float:
    """Growth of the peak resident set during `task`, in MiB (Linux; nan elsewhere)."""
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        clear.write_text("5")  # resets the high-water mark to what is resident now
        before = _resident(status, "VmRSS")
        task()
        return (_resident(status, "VmHWM") - before) / 1024
    except OSError:
        task()
        return float("nan")


def _resident(status: Path, name: str) -> float:
    for line in status.read_text().splitlines():
        if line.startswith(name):
            return float(line.split()[1])
    raise OSError(name)


class Bench:
    """The model, a text, a vector for every site, and both ways of sweeping."""

    def __init__(self, name: str, tokens: int, alphas: int, seed: int) -> None:
        import numpy as np
        import torch
        from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
        from steering_strength.proofs_check.bridge._old.corpus import text_windows
        from steering_strength.proofs_check.bridge._old.models import load_model
        from steering_strength.proofs_check.bridge._old.norms import identify_norm
        from steering_strength.proofs_check.bridge.concept_texts import load_concept
        from steering_strength.proofs_check.bridge.sites import Site
        from steering_strength.proofs_check.bridge.steering.making import difference_vectors

        torch.set_num_threads(1)
        self.loaded = load_model(name, "float32")
        self.model = self.loaded.model
        self.anatomy = inspect_model(self.model, seed=seed)
        self.norm = identify_norm(self.anatomy, seed=seed)
        self.text = text_windows(self.loaded.tokenizer, 1, tokens - 1, seed=seed)
        self.windows = text_windows(self.loaded.tokenizer, 4, tokens - 1, seed=seed)
        self.alphas = np.linspace(-20.0, 20.0, alphas)
        depth = len(self.anatomy.blocks)
        self.layers = {"25 %": depth // 4, "50 %": depth // 2, "75 %": 3 * depth // 4}
        self.layers["last"] = depth - 1
        joy = load_concept("joy")
        sites = [Site(layer) for layer in self.layers.values()]
        made = difference_vectors(self.loaded, self.anatomy, joy.positive, joy.neutral, sites)
        self.vectors = {
            depth: torch.as_tensor(vector.values).to(torch.float32)
            for depth, (vector, _) in zip(self.layers, made, strict=True)
        }
        self.sites = dict(zip(self.layers, sites, strict=True))

    def straightforward(self, depth: str, *, last_only: bool = False, batch: int = BATCH) -> Any:
        """Log-probabilities, (16, 64), by full passes of `batch` alphas."""
        import torch
        from steering_strength.proofs_check.bridge._old.hooks import Steered
        from steering_strength.proofs_check.bridge._old.upper import position_mask

        mask = position_mask(self.text, "last" if last_only else "all")
        module = self.sites[depth].module(self.anatomy)
        found = []
        for piece in torch.as_tensor(self.alphas[:FEW]).split(batch):
            ids = self.text.ids.expand(piece.numel(), -1)
            with torch.no_grad(), Steered(module, self.vectors[depth], piece, mask):
                logits = self.model(input_ids=ids, use_cache=False).logits
            found.append(torch.log_softmax(logits[:, -1], dim=-1)[:, :KEPT].clone())
        return torch.cat(found)

    def fast(self, depth: str) -> Any:
        """Blocks below once, logits at the last position."""

        from steering_strength.proofs_check.bridge._old.upper import Upper

        upper = Upper(self.model, self.anatomy, self.text, self.sites[depth])
        return self._kept(upper.last_normed(self.vectors[depth], self.alphas))

    def _kept(self, states: Any) -> Any:
        import torch
        from steering_strength.proofs_check.bridge._old.upper import read_out

        pieces = [
            torch.log_softmax(read_out(self.anatomy, piece), dim=-1)[:, :KEPT].clone()
            for piece in states.split(READ)
        ]
        return torch.cat(pieces)

    def shared(self, depth: str) -> Any:
        """Last position only, keys and values shared."""

        from steering_strength.proofs_check.bridge._old.last_position import LastPosition

        one = LastPosition(self.model, self.anatomy, self.text, self.sites[depth])
        return self._kept(one.normed(self.vectors[depth], self.alphas))

    def closed_form(self) -> Any:
        """The last block without any pass above it."""
        import numpy as np
        import torch
        from steering_strength.proofs_check.bridge._old.hooks import Captured
        from steering_strength.proofs_check.bridge.measure.last_block import last_block

        with torch.no_grad(), Captured(self.anatomy.blocks[-1]) as state:
            self.model(input_ids=self.text.ids, use_cache=False, logits_to_keep=1)
        h = state.value[0, -1].double().numpy()
        form = last_block(self.anatomy, self.norm, h, self.vectors["last"].double().numpy())
        pieces = [
            form.log_probability(piece)[:, :KEPT].copy()
            for piece in np.array_split(self.alphas, max(1, self.alphas.size // BATCH))
        ]
        return torch.as_tensor(np.concatenate(pieces))

    def straightforward_losses(self, depth: str, alphas: Sequence[float]) -> Any:
        """Mean cross-entropy for every alpha, all windows in one batch."""
        import torch
        from steering_strength.proofs_check.bridge._old.hooks import Steered

        module = self.sites[depth].module(self.anatomy)
        ids = self.windows.ids
        found = []
        for alpha in alphas:
            with torch.no_grad(), Steered(module, self.vectors[depth], alpha):
                logits = self.model(input_ids=ids, use_cache=False).logits[:, :-1]
                log_p = torch.log_softmax(logits, dim=-1)
            found.append(-log_p.gather(2, ids[:, 1:, None]).mean())
        return torch.stack(found)

    def fast_losses(self, depth: str, alphas: Sequence[float]) -> Any:
        """Blocks below once, logits in pieces of positions."""
        import torch
        from steering_strength.proofs_check.bridge._old.upper import Upper, position_mask
        from steering_strength.proofs_check.bridge.measure.text_slope import token_losses

        upper = Upper(self.model, self.anatomy, self.windows, self.sites[depth])
        mask = position_mask(self.windows, "all")
        vector, ids = self.vectors[depth], self.windows.ids
        return torch.tensor(
            [
                token_losses(self.anatomy, upper.normed(upper.steered(vector, a, mask)), ids).mean()
                for a in alphas
            ]
        )

    def closed_losses(self, alphas: Sequence[float]) -> Any:
        """The last block's cross-entropy in closed form."""
        import numpy as np
        import torch
        from steering_strength.proofs_check.bridge._old.hooks import Captured
        from steering_strength.proofs_check.bridge.measure.last_block import last_block_losses

        ids = self.windows.ids
        with torch.no_grad(), Captured(self.anatomy.blocks[-1]) as state:
            self.model(input_ids=ids, use_cache=False, logits_to_keep=1)
        return torch.as_tensor(
            last_block_losses(
                self.anatomy, self.norm, state.value, ids, self.vectors["last"], np.array(alphas)
            )
        )


def _pair(
    label: str, slow: Callable[[], Any], quick: Callable[[], Any], rounds: int, scale: float
) -> dict[str, Any]:
    """Compare the results, then time both and measure their memory; print one line.

    `scale` is how many times more alphas the quick way answered.
    """
    growth = peak_growth(slow), peak_growth(quick)
    times = {"slow": float("inf"), "quick": float("inf")}
    for _ in range(rounds):
        start = process_time()
        expected = slow()
        middle = process_time()
        found = quick()
        times["slow"] = min(times["slow"], middle - start)
        times["quick"] = min(times["quick"], process_time() - middle)
    difference = float((expected.double() - found[: len(expected)].double()).abs().max())
    ratio = scale * times["slow"] / times["quick"]
    print(
        f"{label:46} {ratio:7.1f}x   {growth[0]:6.0f} -> {growth[1]:5.0f} MiB"
        f"   max difference {difference:.1e}",
        flush=True,
    )
    return {
        "name": label,
        "speedup": ratio,
        "seconds": times,
        "alphas_scale": scale,
        "peak_mib": growth,
        "max_difference": difference,
    }


def _sweeps(bench: Bench) -> list[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    """(label, straightforward, fast) of the sweeps of one text."""
    inner = ("25 %", "50 %", "75 %")
    pairs: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = [
        (
            f"block at {depth}: reuse below, last position",
            lambda depth=depth: bench.straightforward(depth),
            lambda depth=depth: bench.fast(depth),
        )
        for depth in inner
    ]
    pairs.append(
        (
            "block at 50 %: against one alpha at a time",
            lambda: bench.straightforward("50 %", batch=1),
            lambda: bench.fast("50 %"),
        )
    )
    pairs.append(
        ("last block: closed form", lambda: bench.straightforward("last"), bench.closed_form)
    )
    pairs += [
        (
            f"block at {depth}: last position steered only",
            lambda depth=depth: bench.straightforward(depth, last_only=True),
            lambda depth=depth: bench.shared(depth),
        )
        for depth in inner
    ]
    return pairs


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All pairs; returns the record."""
    import numpy as np
    from steering_strength.proofs_check.bridge._old.upper import Upper, read_out
    from steering_strength.proofs_check.bridge.measure.adaptive import adaptive_curve

    from steering_strength.theory import TiltedFamily

    print("loading the model", file=sys.stderr, flush=True)
    bench = Bench(options.model, options.tokens, options.alphas, options.seed)
    print(f"{bench.loaded.label}: {options.alphas} alphas, {options.tokens} tokens, float32\n")
    few = list(np.linspace(-20.0, 20.0, 2))
    many = [*few, *np.linspace(-5.0, 5.0, options.losses - 2)]
    rows = [
        _pair(label, slow, quick, options.rounds, options.alphas / FEW)
        for label, slow, quick in _sweeps(bench)
        if options.only in label
    ]
    rows += [
        _pair(
            f"cross-entropy, block at {depth}: {how}",
            lambda depth=depth: bench.straightforward_losses(depth, few),
            quick,
            options.rounds,
            options.losses / len(few),
        )
        for depth, how, quick in (
            ("50 %", "reuse below", lambda: bench.fast_losses("50 %", many)),
            ("75 %", "reuse below", lambda: bench.fast_losses("75 %", many)),
            ("last", "reuse below", lambda: bench.fast_losses("last", many)),
            ("last", "closed form", lambda: bench.closed_losses(many)),
        )
        if options.only in f"cross-entropy, block at {depth}: {how}"
    ]
    if options.only:
        return _record(bench, options, rows, {})

    # At the final norm the law replaces the sweep: no forward at all once p and M are known.
    middle = Upper(bench.model, bench.anatomy, bench.text, bench.sites["50 %"])
    base = read_out(bench.anatomy, middle.last_normed(bench.vectors["50 %"], np.zeros(1)))
    log_p = base[0].log_softmax(-1).numpy()
    log_odds = bench.vectors["50 %"] @ bench.anatomy.unembedding.weight.T
    family = TiltedFamily(log_p, log_odds.double().numpy())
    start = process_time()
    family.log_probability(bench.alphas)
    ratio = options.alphas / FEW * rows[1]["seconds"]["slow"] / (process_time() - start)
    rows.append({"name": "final norm: the law instead of a sweep", "speedup": ratio})
    print(f"{'final norm: the law instead of a sweep':46} {ratio:7.1f}x")

    nodes: dict[str, Any] = {}
    for depth in ("50 %", "75 %"):
        upper = Upper(bench.model, bench.anatomy, bench.text, bench.sites[depth])
        top = np.argsort(-log_p)[:8]

        def evaluate(alphas: Any, upper: Any = upper, depth: str = depth, top: Any = top) -> Any:
            states = upper.last_normed(bench.vectors[depth], alphas)
            return read_out(bench.anatomy, states).log_softmax(-1).exp().numpy()[:, top]

        curve = adaptive_curve(evaluate, -200.0, 200.0, tolerance=2e-3, most=129)
        nodes[depth] = {"nodes": int(curve.alphas.size), "error": curve.error}
        settled = "" if curve.converged else ", not everywhere within the tolerance"
        print(
            f"block at {depth}: {curve.alphas.size} adaptive nodes for 1,025 uniform ones;"
            f" last error {curve.error:.1e} in probability{settled}"
        )
    return _record(bench, options, rows, nodes)


def _record(
    bench: Bench, options: argparse.Namespace, rows: list[dict[str, Any]], nodes: dict[str, Any]
) -> dict[str, Any]:
    return {
        "machine": machine() | versions(),
        "model": bench.loaded.label,
        "alphas": options.alphas,
        "tokens": options.tokens,
        "rows": rows,
        "adaptive": nodes,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print one line per pair."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bridge_speed", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--alphas", type=int, default=256)
    parser.add_argument("--losses", type=int, default=32, help="alphas of the cross-entropy")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="pairs whose name contains this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    try:
        quiet()
        require()
        record = run(options)
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        write_json(options.json, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The advised vector with its alpha, in files that say what they mean.

`.safetensors` and `.npz` keep v as it is and the advice in the metadata; `load_vector` reads them.
`.npy` can hold no metadata, so it is alpha v, and a `.json` beside it says everything. `.pt` is the
paper's own format with the same fields added; reading it executes no code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from steering_strength.proofs_check.bridge.errors import VectorError
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector
from steering_strength.theory.files import write_whole

__all__ = ["ENDINGS", "AdvisedAlpha", "export_vector", "require_ending"]

ENDINGS = (".safetensors", ".npz", ".npy", ".pt")


@dataclass(frozen=True)
class AdvisedAlpha:
    """What the file says about strength.

    Parameters
    ----------
    alpha : float
        The strength to use, in multiples of the vector.
    alpha_low, alpha_high : float
        The window; infinite ends are kept.
    advice : str
        The verdict in words.
    """

    alpha: float
    alpha_low: float
    alpha_high: float
    advice: str


def export_vector(
    vector: SteeringVector, advised: AdvisedAlpha, path: Path, concept: str
) -> tuple[Path, ...]:
    """Write the vector; the ending of `path` chooses the format. Returns the files written.

    Raises
    ------
    VectorError
        Another ending, an alpha that is not finite, or a site that the format cannot say.
    OutputError
        The file cannot be written; an older one is untouched.
    """
    require_ending(path)
    if not math.isfinite(advised.alpha):
        if math.isnan(advised.alpha):
            problem, remedy = "no alpha is advised", "ask for less: a lower --level, more --budget"
        else:
            problem = f"the advised alpha is {advised.alpha}"
            remedy = "add a demand that limits alpha, such as --budget 1"
        raise VectorError(f"{path} is not written, {problem}: {advised.advice}", remedy=remedy)
    said = {name: str(value) for name, value in asdict(vector.metadata).items()}
    said |= {name: str(value) for name, value in asdict(advised).items()} | {"concept": concept}
    values = vector.values
    if path.suffix == ".npz":
        metadata = np.array(json.dumps(said))

        def write_npz(target: Path) -> None:
            np.savez(target, allow_pickle=False, vector=values, metadata=metadata)

        return (write_whole(path, write_npz),)
    if path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        return (write_whole(path, lambda to: save_file({"vector": values}, str(to), said)),)
    if path.suffix == ".npy":
        baked = {**said, "content": "alpha times the vector", "unit": "add once: alpha is inside"}
        beside = path.with_suffix(".json")
        text = json.dumps(baked, indent=1) + "\n"
        # The description first: an array without it would be a column of numbers.
        return (
            write_whole(beside, lambda to: to.write_text(text)),
            write_whole(path, lambda to: np.save(to, advised.alpha * values, allow_pickle=False)),
        )
    return (_paper(vector, said, path, concept),)


def require_ending(path: Path) -> None:
    """Raise VectorError unless the ending of `path` is one of `ENDINGS`."""
    if path.suffix not in ENDINGS:
        raise VectorError(
            f"cannot write a vector to {path.name!r}", remedy=f"end it in {', '.join(ENDINGS)}"
        )


def _paper(vector: SteeringVector, said: Mapping[str, str], path: Path, concept: str) -> Path:
    """The layout of the paper's tool; its `layer_idx` is a block, so the final norm has none."""
    if vector.site.layer is None:
        raise VectorError(
            "the paper's format names a block, this vector belongs to the final norm",
            remedy="export it as .safetensors, .npz or .npy",
        )
    from steering_strength.proofs_check.bridge.extra import require

    require()
    import torch

    content = {
        **said,
        "concept_slug": "".join(c if c.isalnum() else "-" for c in concept.lower()),
        "layer_idx": vector.site.layer,
        "hidden_size": int(vector.values.size),
        "steering_vector": torch.as_tensor(vector.values).to(torch.float32),
    }
    return write_whole(path, lambda target: torch.save(content, target))

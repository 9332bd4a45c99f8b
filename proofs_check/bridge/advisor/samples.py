"""What the advised strength looks like: texts at 0, half, once and twice the alpha, side by side.

Steering is added at the site for every token of the prompt and for every decoded one. Greedy by
default, or sampled with a seed; the four strengths of a context are decoded in one batch.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.hooks import Steered
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector
from steering_strength.theory.files import write_whole

__all__ = ["FACTORS", "Sampled", "generate", "write_page"]

FACTORS = (0.0, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Sampled:
    """One context, continued at several strengths.

    Parameters
    ----------
    site : str
    prompt : str
    alphas : tuple of float
    texts : tuple of str
    note : str
        What is known of these strengths, such as the measured price.
    """

    site: str
    prompt: str
    alphas: tuple[float, ...]
    texts: tuple[str, ...]
    note: str


def generate(
    loaded: LoadedModel,
    anatomy: Anatomy,
    vector: SteeringVector,
    row: TokenBatch,
    alphas: Sequence[float],
    tokens: int,
    *,
    temperature: float = 0.0,
    seed: int = 0,
) -> tuple[str, ...]:
    """Continue one context by `tokens` tokens under each of `alphas`.

    Parameters
    ----------
    row : TokenBatch
        One text, without padding.
    temperature : float
        0 for the likeliest token each time.

    Raises
    ------
    SelfCheckError
        The steering hook did not fire in some decoding step.
    """
    count = len(alphas)
    v = torch.as_tensor(vector.values).to(anatomy.unembedding.weight.dtype)
    strengths = torch.as_tensor(list(alphas), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    ids = row.ids.expand(count, -1)
    fed, cache, kept = ids, None, []
    with torch.no_grad():
        for _ in range(tokens):
            # A new hook each step: it raises unless it fired, so no token goes unsteered unnoticed.
            with Steered(vector.site.module(anatomy), v, strengths):
                out = loaded.model(input_ids=fed, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            logits = out.logits[:, -1].to(torch.float64)
            if temperature > 0.0:
                p = torch.softmax(logits / temperature, dim=-1)
                fed = torch.multinomial(p, 1, generator=generator)
            else:
                fed = logits.argmax(dim=-1, keepdim=True)
            kept.append(fed)
    end = loaded.tokenizer.eos_token_id
    texts = []
    for new in torch.cat(kept, dim=1).tolist():
        cut = new.index(end) if end in new else len(new)
        texts.append(str(loaded.tokenizer.decode(new[:cut])))
    return tuple(texts)


def write_page(samples: Sequence[Sampled], folder: Path, title: str) -> tuple[Path, Path]:
    """Write `samples.html` and `samples.md`: one table per site, one row per context."""
    return (
        write_whole(folder / "samples.html", lambda to: to.write_text(_html(samples, title))),
        write_whole(folder / "samples.md", lambda to: to.write_text(_markdown(samples, title))),
    )


def _heads(sample: Sampled) -> list[str]:
    middle = sample.alphas[2] if len(sample.alphas) == len(FACTORS) else None
    return [
        f"alpha = {alpha:.3g}" + (" (advised)" if alpha == middle else "")
        for alpha in sample.alphas
    ]


def _html(samples: Sequence[Sampled], title: str) -> str:
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<title>{html.escape(title)}</title>",
        "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:78rem;margin:2rem auto;"
        "padding:0 1rem;color:#222}table{border-collapse:collapse;width:100%;margin:1rem 0 2rem}"
        "td,th{border-top:1px solid #ddd;padding:.5rem;text-align:left;vertical-align:top;"
        "width:25%}th{font-weight:600}.advised{background:#e2f0ec}.note{color:#666}</style>",
        f"<h1>{html.escape(title)}</h1>",
        "<p>Each context continued without steering, and at half, once and twice the advised"
        " strength. Every token of the prompt and every decoded one is steered.</p>",
    ]
    for sample in samples:
        parts.append(
            f"<h3>{html.escape(sample.prompt)}</h3><p class=note>{html.escape(sample.site)}."
            f" {html.escape(sample.note)}</p><table><tr>"
        )
        marks = ["" if i != 2 else " class=advised" for i in range(len(sample.alphas))]
        heads = zip(marks, _heads(sample), strict=True)
        parts += [f"<th{mark}>{html.escape(head)}</th>" for mark, head in heads]
        parts.append("</tr><tr>")
        cells = zip(marks, sample.texts, strict=True)
        parts += [f"<td{mark}>{html.escape(text)}</td>" for mark, text in cells]
        parts.append("</tr></table>")
    return "\n".join(parts) + "\n"


def _markdown(samples: Sequence[Sampled], title: str) -> str:
    lines = [f"# {title}", ""]
    for sample in samples:
        heads = _heads(sample)
        lines += [f"**{_flat(sample.prompt)}** ({sample.site}. {sample.note})", ""]
        lines += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        lines += ["| " + " | ".join(_flat(text) for text in sample.texts) + " |", ""]
    return "\n".join(lines)


def _flat(text: str) -> str:
    """One line that a Markdown table can hold."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")

"""Numbers in and out, without torch: grids, tables, records, log-probabilities, explorer files.

A `.npz` for the advisor holds `log_p`, (m, V), the contexts, and either `log_odds`, (V,), or both
`log_p_positive` and `log_p_negative`; optional are `token_text`, (V,) strings, `weights`, (m,), and
the numbers `norm` and `residual_norm`. A file written by `TiltedFamily.save` is one context. A
`.csv` has the header `kind` and one column per token, and rows whose kind is `context`, `positive`,
`negative` or `log_odds`; natural logarithms throughout.

The explorer page reads contexts of a real model at its final norm, the vocabulary reduced (`lump`):
a few tokens keep their names; nodes in M carry the mass of the rest. A token between two nodes
gives each the part of its mass that keeps its M: total mass and K'(0) survive exactly in every
context, and what is lost is of second order in alpha times the distance of the nodes. Tokens inside
and outside the concept never share a node, so F_T survives too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.special import expit

from steering_strength.proofs_check.bridge.loading import CurveError, versions
from steering_strength.theory import TiltedFamily
from steering_strength.theory.advice import PopulationAdvice
from steering_strength.theory.engine.measure import log_odds_of_tables
from steering_strength.theory.engine.numerics import log_sum_exp
from steering_strength.theory.engine.storage import read_archive
from steering_strength.theory.engine.validation import as_array, as_integer, as_positive
from steering_strength.theory.errors import AlphaError, SteeringError
from steering_strength.theory.files import read_table, write_json, write_whole

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel
    from steering_strength.proofs_check.bridge.texts import ConceptTexts

Floats = NDArray[np.float64]

FIGURES = {
    "bumps": "Fig. 6, A.7 to A.9: next-token probabilities, α from 0 to 200",
    "negative": "Fig. A.10: next-token probabilities, α from -200 to 0",
    "last-position": "Fig. A.2: all positions steered, and only the last",
    "negatives": "Fig. A.5: N of neutral texts (contrastive), and sampled from the model (random)",
    "bootstrap": "Fig. A.3: P and N resampled 12 times, mean and central 80 %",
    "normalised": "Fig. A.1: v of length 1, α to 2,000",
    "cross-entropy": "Fig. 7 bottom, A.13: cross-entropy on library text",
    "concept": "Fig. 7 top, A.11, A.12 from token sets: probability of the concept's words",
    "judge": "Fig. 7 top, A.11, A.12 from a judge of generated texts, middle block",
    "benchmark": "Fig. A.6 from the benchmark of --benchmark, middle block",
}

# Text files carry a few digits. What is off by more than this never was normalised.
_ROUNDED = 1e-3
_DRAWN = 25
_KINDS = {
    "context": "log_p", "positive": "log_p_positive", "negative": "log_p_negative",
    "log_odds": "log_odds",
}  # fmt: skip


def alpha_grid(reach: float, count: int) -> Floats:
    """`count` equally spaced alphas on [-reach, reach] with an exact 0 among them.

    Raises AlphaError: `reach` is not positive and finite, or `count` is even or below 5.
    """
    as_positive(reach, "--alpha-max")
    if count < 5 or count % 2 == 0:
        raise AlphaError(
            f"a grid of {count} alphas, an odd number of at least 5 is needed so that 0 is on it",
            remedy=f"give --alphas {max(5, count + 1 - count % 2)}",
        )
    half = np.linspace(0.0, reach, count // 2 + 1)
    return np.concatenate([-half[:0:-1], half])


def asinh_grid(reach: float, half: int) -> Floats:
    """2 half + 1 alphas on [-reach, reach], uniform in asinh(alpha), with an exact 0.

    Dense where the distribution changes, geometric where it approaches its plateau.
    """
    positive = np.sinh(np.linspace(0.0, np.arcsinh(reach), half + 1))
    positive[-1] = reach
    return np.concatenate([-positive[:0:-1], positive])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart; the last one is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


@dataclass(frozen=True, eq=False)
class AdviceInput:
    """What an advice at the final norm needs: one family per context.

    `texts` are the log-probabilities of P and N, if the file has them and at least two of each;
    `token_text` is empty where it names no tokens, `norm` |v| and `residual_norm` the median |h|
    are nan where unknown, `notes` say what was done to the numbers.
    """

    families: tuple[TiltedFamily, ...]
    texts: tuple[Floats, Floats] | None
    weights: Floats | None
    token_text: tuple[str, ...]
    norm: float
    residual_norm: float
    notes: tuple[str, ...]

    def name(self, token: int) -> str:
        """The token's text, or its number."""
        return repr(self.token_text[token]) if self.token_text else f"token {token}"

    def tokens(
        self, ids: Sequence[int] | None, words: Sequence[str], largest: int | None
    ) -> NDArray[np.int64] | None:
        """Indices of T: given, by words, or of largest M; None where nothing was asked.

        Raises CurveError: a word is no token, or the file names no tokens.
        """
        if ids:
            return np.array(ids, dtype=np.int64)
        if words:
            wanted = {word.lower() for word in words}
            found = [z for z, text in enumerate(self.token_text) if text.strip().lower() in wanted]
            if not self.token_text:
                raise CurveError(
                    "--words needs the tokens' text, which the file does not hold",
                    remedy="add token_text to the file, or give --tokens",
                )
            if not found:
                raise CurveError(
                    f"no token spells one of {', '.join(sorted(wanted))}",
                    remedy=f"the first tokens are {', '.join(map(repr, self.token_text[:5]))}",
                )
            return np.array(found)
        return None if largest is None else largest_of(self.families[0].log_odds, largest)


def largest_of(odds: Floats, count: int) -> NDArray[np.int64]:
    """The `count` tokens of largest M; a ShapeError unless there are more than that."""
    as_integer("--largest", count, 1, odds.size - 1)
    finite = np.where(np.isfinite(odds), odds, -np.inf)
    return np.argsort(-finite, kind="stable")[:count].astype(np.int64)


def read_input(path: Path) -> AdviceInput:
    """Read a `.npz` or `.csv` file.

    Raises CurveError: the file cannot be read, lacks a part, or contradicts itself;
    ProbabilityError or ShapeError: the numbers are no log-probabilities.
    """
    if path.suffix == ".npz":
        return _assembled(path, read_archive(path, "give a .npz of plain arrays, without pickle"))
    if path.suffix == ".csv":
        return _assembled(path, _from_csv(path))
    raise CurveError(f"the ending {path.suffix!r} of {path}", remedy="give a .npz or .csv file")


def _from_csv(path: Path) -> dict[str, Any]:
    rows = read_table(path, "give a UTF-8 CSV file")
    if len(rows[0]) < 3 or rows[0][0].strip() != "kind":
        raise CurveError(
            f"{path} begins with {', '.join(rows[0][:3]) or 'nothing'}",
            remedy="the header is `kind` and then one column per token",
        )
    header, found = rows[0][1:], dict[str, list[Any]]()
    for line, (kind, *cells) in enumerate(rows[1:], start=2):
        where = f"{path}, line {line}"
        if kind.strip() not in _KINDS:
            raise CurveError(f"{where}: kind {kind!r}", remedy=f"use {', '.join(_KINDS)}")
        if len(cells) != len(header):
            raise CurveError(
                f"{where} has {len(cells)} numbers, the header {len(header)} tokens",
                remedy="give one number per token; -inf where a token is impossible",
            )
        try:
            found.setdefault(_KINDS[kind.strip()], []).append([float(cell) for cell in cells])
        except ValueError as error:
            raise CurveError(f"{where}: {error}", remedy="give numbers") from error
    odds = found.pop("log_odds", [])
    if len(odds) > 1:
        raise CurveError(f"{path} has {len(odds)} rows log_odds", remedy="give one")
    arrays = {name: np.array(table) for name, table in found.items()}
    return {**arrays, "token_text": np.array(header), **({"log_odds": odds[0]} if odds else {})}


def _assembled(path: Path, arrays: dict[str, Any]) -> AdviceInput:
    if "log_p" not in arrays:
        raise CurveError(
            f"{path} holds {', '.join(arrays) or 'nothing'}",
            remedy="log_p, the contexts' log-probabilities, shape (m, V), is needed",
        )
    sides = [name for name in ("log_p_positive", "log_p_negative") if name in arrays]
    if "log_odds" in arrays and sides:
        raise CurveError(
            f"{path} holds log_odds and log-probabilities of P or N", remedy="leave one of them out"
        )
    if "log_odds" not in arrays and len(sides) < 2:
        raise CurveError(
            f"{path} does not say what steering does",
            remedy="add log_odds, or both log_p_positive and log_p_negative",
        )
    notes: list[str] = []
    contexts, *tables = (_normalised(arrays[name], name, notes) for name in ("log_p", *sides))
    odds = log_odds_of_tables(*tables) if tables else as_array("log_odds", arrays["log_odds"])
    text = tuple(str(token) for token in np.asarray(arrays.get("token_text", ())).ravel())
    if text and len(text) != contexts.shape[1]:
        raise CurveError(
            f"{path} names {len(text)} tokens, log_p has V = {contexts.shape[1]}",
            remedy="give one name per token",
        )
    families = []
    for j, row in enumerate(contexts):
        try:
            families.append(TiltedFamily(row, odds))
        except SteeringError as error:
            said = f"{path}, context {j}: {error.problem}"
            raise type(error)(said, remedy=error.remedy) from None
    weights = arrays.get("weights")
    norm, length = (_number(path, arrays, name) for name in ("norm", "residual_norm"))
    weighed = None if weights is None else as_array("weights", weights)
    texts = (tables[0], tables[1]) if tables and min(map(len, tables)) > 1 else None
    return AdviceInput(tuple(families), texts, weighed, text, norm, length, tuple(notes))


def _number(path: Path, arrays: dict[str, Any], name: str) -> float:
    """A positive finite number, or nan where the file has none."""
    value = as_array(name, arrays.get(name, 1.0), None).squeeze()
    number = as_positive(value.tolist(), f"{path}: {name}", CurveError)
    return number if name in arrays else math.nan


def _normalised(table: NDArray[Any], name: str, notes: list[str]) -> Floats:
    """Subtract what rounding left of log sum p; more than that is left for the engine to refuse."""
    rows = np.atleast_2d(as_array(name, table, None))
    total = log_sum_exp(rows, axis=1)
    worst = float(np.max(np.abs(total), initial=0.0))
    if 1e-9 < worst <= _ROUNDED:
        notes.append(f"{name} was normalised: log sum p was off by up to {worst:.1e}")
    return rows - total[:, None] if worst <= _ROUNDED else rows


def write_advice(
    folder: Path, found: PopulationAdvice, curves: Sequence[Any], about: Mapping[str, Any]
) -> list[Path]:
    """Write advice.json; and F_T and KL(p_0 || p_alpha) of a few curves over the window as .npz."""
    window, demand = found.window, found.contexts[0].demand
    ends = [a for a in (window.low.alpha, window.high.alpha, found.best) if math.isfinite(a)]
    far = 1.5 * max(map(abs, ends), default=0.0) or 1.0
    alphas = demand.sign * np.linspace(0.0, far, _DRAWN)
    blank, target = np.full(alphas.size, np.nan), demand.target
    effect = [
        blank if target is None else expit(c.concept_log_odds(target, alphas)) for c in curves
    ]
    record = {
        "alphas": alphas,
        "effect": np.stack(effect, axis=1),
        "price": np.stack([c.cross_entropy_increase(alphas) for c in curves], axis=1),
        "low": window.low.alpha if window.usable else math.nan,
        "high": window.high.alpha if window.usable else math.nan,
        "level": math.nan if demand.level is None else demand.level,
        "budget": math.nan if demand.cross_entropy is None else demand.cross_entropy,
        "words": window.words,
    }
    return [
        write_json(folder / "advice.json", plain({**about, "advice": found})),
        write_arrays(folder / "advice.npz", record),
    ]


def plain(value: Any) -> Any:
    """Records as objects, masks as indices, numbers that JSON lacks as text or null."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    value = value._asdict() if hasattr(value, "_asdict") else value
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain((np.flatnonzero(value) if value.dtype == np.bool_ else value).tolist())
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | str | int):
        return value
    number = float(value)
    if math.isnan(number):
        return None
    return number if math.isfinite(number) else ("inf" if number > 0 else "-inf")


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> Path:
    """Write plain arrays as a compressed .npz without pickle, whole or not at all."""
    content: dict[str, Any] = {name: np.asarray(value) for name, value in arrays.items()}
    return write_whole(path, lambda target: np.savez_compressed(target, **content))


def lump(
    families: Sequence[TiltedFamily],
    inside: NDArray[np.bool_],
    alphas: Floats,
    *,
    tokens: int = 40,
    nodes: int = 1024,
) -> tuple[dict[str, Any], Floats]:
    """Families of one vector, over n outcomes in place of V tokens.

    `inside` is the concept, a mask (V,), and `alphas` where the reduced families will be looked at.
    As many `tokens` keep their name: those likeliest somewhere, as many of the concept again, and
    both extremes of M. The others are shared out to so many `nodes` in M, by hat functions, which
    sum to 1 at every token and whose mean over the nodes is its M.

    Returns `log_p` (m, n), `log_odds` (n,), `ids` (n,) with -1 for a node, and `target` (n,); and
    the largest errors over contexts and alphas of K' (nats per unit alpha), of logit F_T and of
    KL(p_0 || p_alpha) (nats).
    """
    p, odds = np.exp([family.log_p for family in families]), families[0].log_odds
    best = np.max([family.log_probability(alphas).max(axis=0) for family in families], axis=0)
    likely = np.argsort(-best, kind="stable")
    own = likely[inside[likely]][:tokens]
    named = likely[np.isin(likely, [*likely[:tokens], *own, odds.argmin(), odds.argmax()])]
    rest = ~np.isin(np.arange(odds.size), named)
    parts = [(p[:, named], odds[named], named, inside[named])]
    for member in (True, False):
        if (group := np.flatnonzero(rest & (inside == member))).size:
            low, high = odds[group].min(), odds[group].max()
            places = np.linspace(low, high if high > low else low + 1.0, nodes)
            knots = np.r_[places[0], places, places[-1]]
            carried = p[:, group] @ BSpline.design_matrix(odds[group], knots, 1)
            used = np.flatnonzero(carried.any(axis=0))
            ids, target = np.full(used.size, -1), np.full(used.size, member)
            parts.append((carried[:, used], places[used], ids, target))
    mass, values, ids, target = (np.concatenate(one, axis=-1) for one in zip(*parts, strict=True))
    with np.errstate(divide="ignore"):  # a node without mass in this context is -inf, as it should
        log_p = np.log(mass / mass.sum(axis=1, keepdims=True))
    errors = []
    for family, row in zip(families, log_p, strict=True):
        small = TiltedFamily(row, values)
        for one, other in (
            (family.mean(alphas), small.mean(alphas)),
            (family.concept_log_odds(inside, alphas), small.concept_log_odds(target, alphas)),
            (family.cross_entropy_increase(alphas), small.cross_entropy_increase(alphas)),
        ):
            errors.append(np.abs(one - other).max())
    reduced = {"log_p": log_p, "log_odds": values, "ids": ids, "target": target}
    return reduced, np.max(np.reshape(errors, (-1, 3)), axis=0)


def explore_record(
    model: SteeredModel, concept: ConceptTexts, alphas: Floats, *, contexts: int = 6
) -> tuple[str, dict[str, Any]]:
    """The laws at the final norm of the first contexts: a summary, and the arrays of the file.

    `alphas`, shape (A,), is the range to be shown: tokens are chosen, and errors reported, on it.
    """
    shown = concept.contexts[:contexts]
    families = model.at("final_norm", model.vector(concept.positive, concept.neutral), shown)
    inside = np.isin(np.arange(model.vocabulary), model.tokens(concept.words))
    reduced, errors = lump(families, inside, alphas)
    ids = reduced.pop("ids")
    texts = [
        model.token_text(int(token)) if token >= 0 else f"(others, M near {odds:+.2f})"
        for token, odds in zip(ids, reduced["log_odds"], strict=True)
    ]
    names = ("mean", "concept_log_odds", "cross_entropy")
    meta = {
        "model": model.name, "fingerprint": model.fingerprint, "site": "final_norm",
        "concept": concept.name,
        "positive": len(concept.positive), "negative": len(concept.neutral),
        "unit": "alpha multiplies the difference of means; log_odds in nats per unit alpha",
        "vocabulary": model.vocabulary,
        "named_tokens": int((ids >= 0).sum()), "nodes": int((ids < 0).sum()),
        "alpha_range": [float(alphas.min()), float(alphas.max())],
        "alphas_checked": int(alphas.size),
        "log_odds_sd": float(np.std(families[0].log_odds)),
        **{f"max_error_{name}": float(e) for name, e in zip(names, errors, strict=True)},
        "versions": versions(),
    }  # fmt: skip
    summary = (
        f"{len(shown)} contexts; {meta['named_tokens']} tokens by name and {meta['nodes']} nodes"
        f" for all others; largest errors on the grid: K' {errors[0]:.1e} nats per unit alpha,"
        f" logit F_T {errors[1]:.1e}, KL {errors[2]:.1e} nats"
    )
    more = {"named": ids >= 0, "contexts": np.array(shown), "meta": np.array(json.dumps(meta))}
    return summary, {**reduced, "tokens": np.array(texts), **more}

"""Curves measured by others, read and judged by what they can decide. No torch, no pickle here.

| file | what is used | what it is |
| --- | --- | --- |
| `layer_<i>_ctx_<j>.npz` | alphas, probs_alphamax, token_alphamax | next-token probabilities |
| `layer_<i>_cross_entropy.npz` | alphas, cross_entropy | nats per token |
| `layer_<i>_behavior.npz` | alphas, mean_all | share of generations that show the concept |
| any other npz, CSV, JSON lines | alpha, and effect, ce, kl or ppl | one value for each alpha |

The first three are those of the paper's own tool; the arrays of Python objects in them (token
strings) are never loaded. A CSV may have a byte-order mark, semicolons and decimal commas, as
spreadsheets write it. Names of columns are taken in any case, and by their usual synonyms.

Each verdict names the statement, what the curve shows, and how surely. The samples are all there
is: where they are too sparse to decide, the status is `unknown` and says what would decide it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from steering_strength.proofs_check.bridge.loading import CurveError
from steering_strength.proofs_check.verdict import Status, Verdict
from steering_strength.theory.engine.storage import read_archive
from steering_strength.theory.engine.validation import SQUARABLE, as_array, as_budget
from steering_strength.theory.errors import ShapeError, shown
from steering_strength.theory.files import parse_json, read_table, read_text

Floats = NDArray[np.float64]
Found = tuple[str, Status, str]
SHAPES = ("rise", "fall", "bump", "dip", "multi", "flat")

# Columns and arrays by the names people give them, under ours.
_SYNONYMS = {
    "alpha": ("alpha", "alphas", "strength", "coefficient", "coeff", "multiplier"),
    "probabilities": ("probs_alphamax",),
    "effect": ("effect", "mean_all", "concept", "concept_probability"),
    "cross_entropy": ("cross_entropy", "ce", "loss", "nll"),
    "perplexity": ("perplexity", "ppl"),
    "kl": ("kl", "kl_divergence"),
}
_KNOWN = {name for names in _SYNONYMS.values() for name in names}
_DECIDES = {
    "probabilities": "tilting, peak",
    "effect": "concept-monotone, concept-tanh",
    "cross_entropy": "ce-quadratic, ce-linear, norm-limit",
    "kl": "ce-exact",
}
_FILE = "give an npz file of plain arrays, a UTF-8 table, or JSON rows"
_REMEDY = "name the columns alpha and one or more of effect, cross_entropy (ce), kl, perplexity"

# In probability: smaller retreats of a curve are noise.
_SHAPE = 1e-3
# Curvature is fitted where the curve has moved by at most this: beyond it a polynomial of degree
# six no longer absorbs the higher orders.
_NEAR = 0.5
_FEWEST = 7
# Ratios of the likeliest tokens: files hold float32, and a tenth of a nat is a visible difference.
_TOKENS, _LIKELY, _TINY, _RATIO_NATS = 8, 1e-4, 1e-12, 0.1
# The part of each end that decides between a plateau and growth.
_END = 0.2


def shape_of(values: ArrayLike, tolerance: float) -> tuple[str, tuple[int, ...]]:
    """Classify one curve sampled on increasing alphas, (A,), and locate its turns.

    A turn counts when the curve retreats from its last extremum by more than `tolerance`, in the
    units of `values`. Thm 3.3 of arXiv:2602.02712 allows a token to rise, fall or bump. Returns one
    of `SHAPES` ("bump": rise, then fall; "multi": more turns) and the indices of the extrema.

    Raises ShapeError: no points on one axis, or one that is not finite; BudgetError: a negative
    tolerance.
    """
    curve = as_array("a curve", values, finite=ShapeError)
    as_budget(tolerance, "the tolerance")
    direction = low = high = 0
    turns: list[int] = []
    for i, value in enumerate(curve):
        low, high = (i if value <= curve[low] else low), (i if value >= curve[high] else high)
        if direction <= 0 and value - curve[low] > tolerance:
            turns.append(low)
            direction, high = 1, i
        elif direction >= 0 and curve[high] - value > tolerance:
            turns.append(high)
            direction, low = -1, i
    if not turns:
        return "flat", ()
    # The first extremum is where the curve sets out; it came back an even number of times, or odd.
    rose = direction > 0 if len(turns) % 2 else direction < 0
    names = {(1, True): "rise", (1, False): "fall", (2, True): "bump", (2, False): "dip"}
    return names.get((len(turns), rose), "multi"), tuple(turns[1:])


def count_shapes(curves: Floats, tolerance: float) -> dict[str, int]:
    """How many of the curves, (A, k), have each shape."""
    found = Counter(shape_of(curve, tolerance)[0] for curve in curves.T)
    return {name: found[name] for name in SHAPES}


@dataclass(frozen=True, eq=False)
class Curves:
    """What one file says about one sweep, (A,) each; absent parts are None.

    `alphas` come in any order and are sorted; `probabilities` (A, k) are of next tokens, in the
    file's order, `effect` is the probability of the concept, `cross_entropy` in nats per token,
    `kl` KL(p_0 || p_alpha) in nats.

    Raises CurveError: too few alphas or one twice, a shape that does not fit, a value that is not
    finite, a probability outside [0, 1], or a negative divergence.
    """

    name: str
    alphas: Floats
    probabilities: Floats | None = None
    effect: Floats | None = None
    cross_entropy: Floats | None = None
    kl: Floats | None = None

    def __post_init__(self) -> None:
        count = self.alphas.size
        if self.alphas.ndim != 1 or count < 5:
            raise self._error(f"{count} values of alpha", "a sweep needs at least 5")
        order = np.argsort(self.alphas, kind="stable")
        for field in ("alphas", *_DECIDES):
            given = getattr(self, field)
            if given is None:
                continue
            name = f"{self.name}: {field}"
            values = as_array(name, given, None, finite=CurveError, most=SQUARABLE)
            if values.shape[0] != count:
                raise self._error(
                    f"{field} has {values.shape[0]} rows for {count} alphas",
                    "the file mixes two sweeps: export it again",
                )
            low, high = float(values.min()), float(values.max())
            if field in ("probabilities", "effect") and not (low >= -1e-9 and high <= 1 + 1e-6):
                raise self._error(
                    f"{field} runs from {low:.3g} to {high:.3g}",
                    "give probabilities between 0 and 1 (not per cent, not differences)",
                )
            if field == "kl" and low < -1e-6:
                raise self._error(f"kl is {low:.3g} somewhere", "a divergence is at least 0 nats")
            object.__setattr__(self, field, values[order])
        if not (np.diff(self.alphas) > 1.0 / SQUARABLE).all():
            raise self._error("an alpha occurs twice", "keep one value, or the mean, for each")

    def _error(self, problem: str, remedy: str) -> CurveError:
        return CurveError(f"{self.name}: {problem}", remedy=remedy)

    @classmethod
    def read(cls, path: Path) -> Curves:
        """Read a file by its ending: .npz, .csv, .tsv, .jsonl or .json.

        Raises SteeringError: it does not exist, cannot be read, or holds no known columns
        (CurveError).
        """
        if path.suffix not in _READERS:
            raise CurveError(
                f"{path.name} is neither {', '.join(_READERS)}",
                remedy="export the curves as one of them",
            )
        columns = _READERS[path.suffix](path)
        found: dict[str, Floats] = {}
        for ours, names in _SYNONYMS.items():
            for name in filter(columns.__contains__, names):
                found.setdefault(ours, _numbers(path, columns[name]))
        if "alpha" not in found or len(found) == 1:
            held = ", ".join(columns) or "nothing"
            raise CurveError(f"{path.name} holds {held}", remedy=_REMEDY)
        if (perplexity := found.pop("perplexity", None)) is not None:
            if not perplexity.min() >= 1 - 1e-6:
                raise CurveError(
                    f"{path.name}: perplexity is {perplexity.min():.3g} somewhere",
                    remedy="a perplexity is e to the cross-entropy in nats, at least 1",
                )
            found.setdefault("cross_entropy", np.log(perplexity))
        return cls(path.name, found.pop("alpha"), **found)

    def judge(self) -> tuple[Verdict, ...]:
        """Every statement that the parts of the file can decide, as verdicts `id@file`."""
        asked: tuple[tuple[Floats | None, Sequence[Callable[[Floats], Iterator[Found]]]], ...] = (
            (self.probabilities, (self._tilting, self._tokens)),
            (self.effect, (self._rises, self._sigmoid)),
            (self.cross_entropy, (self._curvature, self._ends)),
            (self.kl, (self._convex,)),
        )
        return tuple(
            Verdict(
                f"{statement}@{self.name}", "real-model", status, True, statement, 1, note=shown
            )
            for values, questions in asked if values is not None
            for question in questions
            for statement, status, shown in question(values)
        )  # fmt: skip

    def silence(self) -> str:
        """What the file does not hold, and the statements about which it therefore says nothing."""
        absent = [f"{n} ({laws})" for n, laws in _DECIDES.items() if getattr(self, n) is None]
        return f"{self.name} holds no {', no '.join(absent)}" if absent else ""

    def _tilting(self, p: Floats) -> Iterator[Found]:
        """Under tilting, log p(y) - log p(z) is a straight line in alpha, for any two tokens.

        Its slope, M(y) - M(z), is read off next to alpha = 0; how far the line carries is measured.
        """
        middle = int(np.abs(self.alphas).argmin())
        likely = np.argsort(-p[middle], kind="stable")[:_TOKENS]
        likely = likely[p[middle, likely] >= _LIKELY]
        statement = "tilting (ratios of tokens)"
        if likely.size < 2 or not 0 < middle < self.alphas.size - 1:
            found = (
                f"{likely.size} tokens with p >= {_LIKELY:g} at alpha = 0, or no alpha on one side"
            )
            yield statement, "unknown", f"{found}: ratios of two are needed on both"
            return
        # What a file in float32 calls 0 has no ratio; such alphas say nothing about that token.
        with np.errstate(divide="ignore", invalid="ignore"):
            log_p = np.log(np.where(p[:, likely] >= _TINY, p[:, likely], np.nan))
        ratio = log_p[:, 1:] - log_p[:, :1]
        x = self.alphas - self.alphas[middle]
        slope = (ratio[middle + 1] - ratio[middle - 1]) / (x[middle + 1] - x[middle - 1])
        error = np.abs(ratio - ratio[middle] - slope * x[:, None])
        worst = np.where(np.isnan(error), 0.0, error).max(axis=1)
        off, reach, more = worst > _RATIO_NATS, float(np.abs(x).max()), ""
        if off.any():
            reach = float(np.abs(x[~off])[np.abs(x[~off]) < np.abs(x[off]).min()].max())
            more = f", off by {worst.max():.2g} at worst: M changes with alpha"
        note = f"log p(y)/p(z) of the {likely.size} likeliest tokens is a line within"
        note += f" {_RATIO_NATS:g} nat up to |alpha| = {reach:.3g}{more}"
        yield statement, "refuted" if more else "passed", note

    def _tokens(self, p: Floats) -> Iterator[Found]:
        for label, sign in (("alpha >= 0", 1), ("alpha <= 0", -1)):
            side = sign * self.alphas >= 0
            if side.sum() < 5:
                continue
            for count in sorted({min(8, p.shape[1]), p.shape[1]}):
                shapes = count_shapes(p[side][:, :count], _SHAPE)
                allowed = count - shapes["dip"] - shapes["multi"]
                listed = ", ".join(f"{n} {name}" for name, n in shapes.items() if n)
                note = f"{allowed} of {count} bump, rise or fall ({listed};"
                note += f" turns of at most {_SHAPE:g} ignored)"
                status: Status = "passed" if allowed == count else "refuted"
                yield f"peak ({label}, first {count})", status, note

    def _rises(self, f: Floats) -> Iterator[Found]:
        name, turns = shape_of(f, _SHAPE)
        places = ", ".join(f"{self.alphas[i]:g}" for i in turns)
        note = name + (f", turns at alpha = {places}" if turns else "")
        yield "concept-monotone", "passed" if name == "rise" else "refuted", note

    def _sigmoid(self, f: Floats) -> Iterator[Found]:
        statement, inside = "concept-tanh, linear nu", (f > 0.02) & (f < 0.98)
        count = int(inside.sum())
        if count < _FEWEST:
            yield (
                statement,
                "unknown",
                f"{count} points between 0.02 and 0.98, {_FEWEST} are needed",
            )
            return
        x, y = self.alphas[inside], logit(f[inside])
        slope, offset = np.polyfit(x, y, 1)
        # A flat curve is a line, and has no variance to explain.
        spread = float(y.var())
        share = 1 - float((y - (slope * x + offset)).var()) / spread if spread > 0 else 1.0
        note = f"logit = {offset:+.3g} {slope:+.3g} alpha explains {share:.1%} of its variance"
        note += f" on {count} points (holds from 95 %)"
        yield statement, "passed" if share >= 0.95 else "refuted", note

    def _around_zero(self, values: Floats) -> tuple[slice, str]:
        """Where a curve has moved by at most half a nat, or what is missing there."""
        middle = int(np.abs(self.alphas).argmin())
        risen = np.abs(values - values[middle]) > _NEAR
        right = np.flatnonzero(risen[middle:])
        left = np.flatnonzero(risen[: middle + 1][::-1])
        first = middle - (int(left[0]) - 1 if left.size else middle)
        last = middle + (int(right[0]) - 1 if right.size else values.size - 1 - middle)
        count = last + 1 - first
        enough = count >= _FEWEST and first < middle < last
        problem = (
            f"{count} alphas within {_NEAR:g} nat of the unsteered value, {_FEWEST} are needed on"
            " both sides: sample more densely near 0"
        )
        return slice(first, last + 1), "" if enough else problem

    def _curvature(self, entropy: Floats) -> Iterator[Found]:
        """Fit polynomials around 0; slope and curvature with their uncertainty."""
        statement = "ce-quadratic, ce-linear"
        near, problem = self._around_zero(entropy)
        if problem:
            yield statement, "unknown", problem
            return
        slope, slope_error, bend, bend_error = _derivatives(self.alphas[near], entropy[near])
        sure: Status = "unknown"
        if abs(bend) > bend_error:
            sure = "passed" if bend > 0 else "refuted"
        off = abs(slope) > slope_error
        said = (
            "a slope that is not zero measures miscalibration"
            if off
            else "no slope beyond its error"
        )
        yield (
            statement,
            sure,
            (
                f"curvature {bend:.4g} +- {bend_error:.2g}, slope {slope:+.4g} +- {slope_error:.2g}"
                f" nats per unit alpha on {near.stop - near.start} points to |alpha| ="
                f" {np.abs(self.alphas[near]).max():g}; {said}"
            ),
        )

    def _convex(self, kl: Floats) -> Iterator[Found]:
        """KL(p_0 || p_alpha) = K(alpha) - alpha K'(0): zero at 0, convex, half Var(M) alpha^2."""
        rises = np.diff(kl) / np.diff(self.alphas)
        # Thousandths of the largest slope are what four printed digits leave.
        slack = 1e-3 * float(np.abs(rises).max())
        back = np.flatnonzero(np.diff(rises) < -slack)
        lowest, shown = int(kl.argmin()), "convex, lowest at alpha = 0"
        status: Status = "refuted"
        if lowest != int(np.abs(self.alphas).argmin()):
            shown = f"lowest at alpha = {self.alphas[lowest]:g}, not at the alpha nearest to 0"
        elif back.size:
            shown = f"bends down at {back.size} alphas, first at {self.alphas[back[0] + 1]:g}:"
            shown += " M changes with alpha, or it is the reverse divergence"
        else:
            status = "passed"
        near, problem = self._around_zero(kl)
        if not problem:
            _, _, bend, error = _derivatives(self.alphas[near], kl[near])
            shown += f"; Var(M) = {bend:.4g} +- {error:.2g} from its curvature at 0"
        yield "ce-exact (convexity of KL)", status, shown

    def _ends(self, entropy: Floats) -> Iterator[Found]:
        for name, sign in (("+inf", 1), ("-inf", -1)):
            side = sign * self.alphas >= 0
            x, y = np.abs(self.alphas[side])[::sign], entropy[side][::sign]
            far = x >= (1 - _END) * x[-1] if x.size else x > 0
            if x.size < 2 * _FEWEST or far.sum() < 3:
                continue
            steepest = float(np.max(np.abs(np.diff(y) / np.diff(x))))
            last = float(np.polyfit(x[far], y[far], 1)[0])
            flat = abs(last) <= 0.05 * steepest
            said = "a plateau" if flat else "still moving: a plateau, if any, lies further out"
            yield (
                f"norm-limit (plateau at {name})",
                "passed" if flat else "unknown",
                (
                    f"slope over the last {_END:.0%} {last:.3g} nats per unit alpha, steepest"
                    f" {steepest:.3g}: {said}"
                ),
            )


def _derivatives(x: Floats, y: Floats) -> tuple[float, float, float, float]:
    """Slope and curvature at 0 with their errors: two standard errors and two more orders."""
    scale, orders = float(np.abs(x).max()), np.array([1.0, 2.0])
    fit, spread = np.polyfit(x / scale, y, min(6, x.size - 2), cov=True)
    other = np.polyfit(x / scale, y, min(4, x.size - 4))
    # The last coefficients but the constant one: slope, and half the curvature.
    errors = 2.0 * np.sqrt(np.diag(spread)[[-2, -3]])
    errors += np.abs(fit[[-2, -3]] - other[[-2, -3]])
    slope, bend = fit[[-2, -3]] * orders / scale**orders
    slope_error, bend_error = errors * orders / scale**orders
    return float(slope), float(slope_error), float(bend), float(bend_error)


def _from_npz(path: Path) -> dict[str, Any]:
    # What is of no use is not loaded: it may hold Python objects.
    arrays = read_archive(path, _FILE, lambda name: _plain(name) in _KNOWN)
    return {_plain(name): array for name, array in arrays.items()}


def _from_table(path: Path) -> dict[str, Any]:
    header, *rows = read_table(path, _FILE)
    names = [_plain(cell) for cell in header]
    return {name: [row[i] if i < len(row) else "" for row in rows] for i, name in enumerate(names)}


def _from_json(path: Path) -> dict[str, Any]:
    text = read_text(path, _FILE).strip()
    pieces = [text] if text.startswith("[") else text.splitlines()
    found = [parse_json(piece, str(path), _FILE) for piece in pieces if piece.strip()]
    rows = found[0] if text.startswith("[") else found
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise CurveError(
            f"{path.name} holds no rows of names and numbers", remedy="one object for each alpha"
        )
    return {_plain(name): [row.get(name, "") for row in rows] for name in rows[0]}


_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".npz": _from_npz,
    ".csv": _from_table,
    ".tsv": _from_table,
    ".jsonl": _from_json,
    ".json": _from_json,
}


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _numbers(path: Path, cells: Any) -> Floats:
    """Numbers, with the line of the first that is none."""
    if isinstance(cells, np.ndarray | bytes):
        return np.atleast_1d(as_array(path.name, cells, None))
    found = []
    for line, cell in enumerate(cells, start=2 if path.suffix in (".csv", ".tsv") else 1):
        try:
            found.append(float(cell))
        except (TypeError, ValueError, OverflowError):
            raise CurveError(
                f"{path.name}, line {line}: {shown(cell)} is not a number",
                remedy="leave out rows without a measurement",
            ) from None
    return np.array(found)

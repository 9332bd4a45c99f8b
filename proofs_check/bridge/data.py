"""Log-probabilities from a file, for people without torch: all that the final norm needs.

A `.npz` holds `log_p`, (m, V), the contexts, and either `log_odds`, (V,), or both `log_p_positive`
and `log_p_negative`; optional are `token_text`, (V,) strings, `weights`, (m,), and the numbers
`norm` and `residual_norm`. A file written by `TiltedFamily.save` is one context.

A `.csv` has the header `kind` and one column per token, and rows whose kind is `context`,
`positive`, `negative` or `log_odds`; natural logarithms throughout. No torch here.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from steering_strength.proofs_check.bridge.errors import CurveError
from steering_strength.theory import TiltedFamily
from steering_strength.theory.advice import PopulationAdvice
from steering_strength.theory.engine.construction import log_odds_of_tables
from steering_strength.theory.engine.numerics import log_sum_exp
from steering_strength.theory.errors import SteeringError
from steering_strength.theory.files import write_whole

__all__ = ["AdviceInput", "advice_record", "plain", "read_input", "write_arrays"]

Floats = NDArray[np.float64]

# Text files carry a few digits. What is off by more than this never was normalised.
_ROUNDED = 1e-3
_DRAWN = 25
_KINDS = ("context", "positive", "negative", "log_odds")


@dataclass(frozen=True, eq=False)
class AdviceInput:
    """What an advice at the final norm needs.

    Parameters
    ----------
    families : tuple of TiltedFamily
        One per context.
    texts : pair of numpy.ndarray, or None
        Log-probabilities of P and N, if the file has them and at least two of each.
    weights : numpy.ndarray or None
    token_text : tuple of str
        Empty where the file names no tokens.
    norm, residual_norm : float
        |v| and the median |h|; nan where unknown.
    notes : tuple of str
        What was done to the numbers.
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

        Raises
        ------
        CurveError
            A word is no token, or the file names no tokens.
        """
        log_odds = self.families[0].log_odds
        if ids:
            return np.array(ids, dtype=np.int64)
        if words:
            if not self.token_text:
                raise CurveError(
                    "--words needs the tokens' text, which the file does not hold",
                    remedy="add token_text to the file, or give --tokens",
                )
            wanted = {word.lower() for word in words}
            found = [z for z, text in enumerate(self.token_text) if text.strip().lower() in wanted]
            if not found:
                raise CurveError(
                    f"no token spells one of {', '.join(sorted(wanted))}",
                    remedy=f"the first tokens are {', '.join(map(repr, self.token_text[:5]))}",
                )
            return np.array(found)
        if largest is None:
            return None
        if not 0 < largest < log_odds.size:
            raise CurveError(f"--largest is {largest}", remedy=f"give 1 to {log_odds.size - 1}")
        finite = np.where(np.isfinite(log_odds), log_odds, -np.inf)
        return np.argsort(-finite, kind="stable")[:largest].astype(np.int64)


def read_input(path: Path) -> AdviceInput:
    """Read a `.npz` or `.csv` file.

    Raises
    ------
    CurveError
        The file cannot be read, lacks a part, or contradicts itself.
    ProbabilityError, ShapeError
        The numbers are no log-probabilities.
    """
    if not path.is_file():
        raise CurveError(f"no file {path}", remedy="check the path given with --data")
    if path.suffix == ".npz":
        return _assembled(path, _from_npz(path))
    if path.suffix == ".csv":
        return _assembled(path, _from_csv(path))
    raise CurveError(f"the ending {path.suffix!r} of {path}", remedy="give a .npz or .csv file")


def _from_npz(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:
        # zip, npy and the file system each raise their own; all mean one thing.
        raise CurveError(
            f"cannot read {path}: {error}", remedy="give a .npz of plain arrays, without pickle"
        ) from error


def _from_csv(path: Path) -> dict[str, Any]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CurveError(f"cannot read {path}: {error}", remedy="give a UTF-8 CSV file") from error
    if not rows or rows[0][0].strip() != "kind" or len(rows[0]) < 3:
        raise CurveError(
            f"{path} begins with {rows[0][:3] if rows else 'nothing'}",
            remedy="the header is `kind` and then one column per token",
        )
    header = rows[0][1:]
    found: dict[str, list[Floats]] = {kind: [] for kind in _KINDS}
    for line, row in enumerate(rows[1:], start=2):
        kind = row[0].strip()
        if kind not in _KINDS:
            raise CurveError(
                f"{path}, line {line}: kind {kind!r}", remedy=f"use {', '.join(_KINDS)}"
            )
        if len(row) != len(header) + 1:
            raise CurveError(
                f"{path}, line {line} has {len(row) - 1} numbers, the header {len(header)} tokens",
                remedy="give one number per token; -inf where a token is impossible",
            )
        try:
            found[kind].append(np.array([float(cell) for cell in row[1:]]))
        except ValueError as error:
            raise CurveError(f"{path}, line {line}: {error}", remedy="give numbers") from error
    names = {"context": "log_p", "positive": "log_p_positive", "negative": "log_p_negative"}
    arrays: dict[str, Any] = {"token_text": np.array(header)}
    for kind, table in found.items():
        if kind == "log_odds" and len(table) > 1:
            raise CurveError(f"{path} has {len(table)} rows log_odds", remedy="give one")
        if table:
            arrays[names.get(kind, kind)] = table[0] if kind == "log_odds" else np.stack(table)
    return arrays


def _assembled(path: Path, arrays: dict[str, Any]) -> AdviceInput:
    notes: list[str] = []
    if "log_p" not in arrays:
        raise CurveError(
            f"{path} holds {', '.join(arrays) or 'nothing'}",
            remedy="log_p, the contexts' log-probabilities, shape (m, V), is needed",
        )
    pair = [name in arrays for name in ("log_p_positive", "log_p_negative")]
    if "log_odds" in arrays and any(pair):
        raise CurveError(
            f"{path} holds log_odds and log-probabilities of P or N", remedy="leave one of them out"
        )
    if "log_odds" not in arrays and not all(pair):
        raise CurveError(
            f"{path} does not say what steering does",
            remedy="add log_odds, or both log_p_positive and log_p_negative",
        )
    contexts = _normalised(np.atleast_2d(np.asarray(arrays["log_p"])), "log_p", notes)
    texts = None
    if "log_odds" in arrays:
        log_odds = np.asarray(arrays["log_odds"], dtype=np.float64)
    else:
        positive, negative = (
            _normalised(np.atleast_2d(np.asarray(arrays[name])), name, notes)
            for name in ("log_p_positive", "log_p_negative")
        )
        log_odds = log_odds_of_tables(positive, negative)
        texts = (positive, negative) if min(len(positive), len(negative)) > 1 else None
    text = tuple(str(token) for token in np.asarray(arrays.get("token_text", ())).ravel())
    if text and len(text) != contexts.shape[1]:
        raise CurveError(
            f"{path} names {len(text)} tokens, log_p has V = {contexts.shape[1]}",
            remedy="give one name per token",
        )
    families = []
    for j, row in enumerate(contexts):
        try:
            families.append(TiltedFamily(row, log_odds))
        except SteeringError as error:
            raise type(error)(
                f"{path}, context {j}: {error.problem}", remedy=error.remedy
            ) from None
    weights = arrays.get("weights")
    return AdviceInput(
        families=tuple(families),
        texts=texts,
        weights=None if weights is None else np.asarray(weights, dtype=np.float64),
        token_text=text,
        norm=_number(path, arrays, "norm"),
        residual_norm=_number(path, arrays, "residual_norm"),
        notes=tuple(notes),
    )


def _number(path: Path, arrays: dict[str, Any], name: str) -> float:
    """A positive finite number, or nan where the file has none."""
    if name not in arrays:
        return math.nan
    value = np.asarray(arrays[name])
    if value.size != 1 or not np.isfinite(value).all() or not float(value.ravel()[0]) > 0.0:
        raise CurveError(f"{path}: {name} is {value}", remedy="give one positive finite number")
    return float(value.ravel()[0])


def _normalised(table: NDArray[Any], name: str, notes: list[str]) -> Floats:
    """Subtract what rounding left of log sum p; more than that is left for the engine to refuse."""
    rows = np.asarray(table, dtype=np.float64)
    total = log_sum_exp(rows, axis=1)
    worst = float(np.max(np.abs(total), initial=0.0))
    if 0.0 < worst <= _ROUNDED:
        rows = rows - total[:, None]
        if worst > 1e-9:
            notes.append(f"{name} was normalised: log sum p was off by up to {worst:.1e}")
    return rows


def advice_record(found: PopulationAdvice, curves: Sequence[Any]) -> dict[str, Any]:
    """F_T and KL(p_0 || p_alpha) of a few contexts over the window, with its ends, as arrays."""
    window, demand = found.window, found.contexts[0].demand
    ends = [abs(end.alpha) for end in (window.low, window.high) if math.isfinite(end.alpha)]
    far = 1.5 * max([*ends, abs(found.best) if math.isfinite(found.best) else 0.0]) or 1.0
    alphas = demand.sign * np.linspace(0.0, far, _DRAWN)
    price = [curve.cross_entropy_increase(alphas) for curve in curves]
    blank = np.full(alphas.size, np.nan)
    effect = [
        blank if demand.target is None else expit(curve.concept_log_odds(demand.target, alphas))
        for curve in curves
    ]
    demanded = [demand.level, demand.cross_entropy]
    level, budget = (math.nan if value is None else value for value in demanded)
    return {
        "alphas": alphas,
        "effect": np.stack(effect, axis=1),
        "price": np.stack(price, axis=1),
        "low": window.low.alpha if window.usable else math.nan,
        "high": window.high.alpha if window.usable else math.nan,
        "level": level,
        "budget": budget,
        "words": window.words,
    }


def plain(value: Any) -> Any:
    """Records as objects, masks as indices, numbers that JSON lacks as text or null."""
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain((np.flatnonzero(value) if value.dtype == np.bool_ else value).tolist())
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    number = float(value)
    if math.isnan(number):
        return None
    return number if math.isfinite(number) else ("inf" if number > 0 else "-inf")


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> Path:
    """Write plain arrays as a compressed .npz without pickle, whole or not at all."""
    plain: dict[str, Any] = {name: np.asarray(value) for name, value in arrays.items()}
    return write_whole(path, lambda target: np.savez_compressed(target, **plain))

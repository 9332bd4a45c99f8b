"""The words that both forms of the report share: status, counts, the way from end to end."""

from __future__ import annotations

from steering_strength.figures.report.content import Content, Statement
from steering_strength.figures.report.real_model import RealModel
from steering_strength.proofs_check.verdict import Verdict

__all__ = [
    "ABOUT",
    "NO_REAL_MODEL",
    "PATH",
    "REAL_MODEL_CAPTION",
    "badges",
    "count_words",
    "headline",
    "main_status",
    "real_model_words",
    "scope_of",
]

ABOUT = (
    "To steer a language model is to add alpha times a vector to its hidden state. This page "
    "holds the theory of how the strength alpha acts, from arXiv:2602.02712 and in sharper forms: "
    "each statement is derived step by step with computer algebra, checked against independent "
    "arithmetic and against a simulated model, and drawn."
)

PATH = (
    ("Assumption", "what is required of data and model, named; many statements need none."),
    ("Model", "a dataset with concepts and an Unconstrained Features Model, matrices W and H."),
    ("Law", "the statement in SymPy, derived for any vocabulary size; every step has a status."),
    ("Numbers", "the same law in float64 and in log space, written without looking at SymPy."),
    (
        "Check",
        "law, numbers, simulation and exact arithmetic of one random instance must agree; false "
        "readings must be refuted.",
    ),
    ("Figure", "the law as a line over the simulation as rings, and the arrays of both."),
)

NO_REAL_MODEL = (
    "Not run here. `make bridge` installs the optional extra (torch), steers SmolLM2-135M at the "
    "output of its final norm, where the tilting law needs neither Assumption 1 nor 2, and "
    "compares every log-probability with the closed form; run `make reproduce` again to see the "
    "result in this place."
)

REAL_MODEL_CAPTION = (
    "Curves: predicted by the laws, no free parameter. Points: measured by forward passes of the "
    "steered model."
)


def real_model_words(found: RealModel) -> str:
    """What was compared on the real model and how well it agreed, in two sentences."""
    model, measured = found.model, found.measured
    return (
        f"{model['name']} ({model['blocks']} blocks, width {model['width']}, vocabulary "
        f"{model['vocabulary']:,}, {model['dtype']}), steered at the output of its final norm "
        f"toward {found.concept['name']!r} with |alpha| up to {measured['alpha_max']:g}. Predicted "
        f"and measured log-probabilities differ by at most {measured['max_error_nats']:.1e} nats, "
        f"while steering moves {measured['total_variation_at_the_ends']:.0%} of the probability "
        "or more at the ends of the range."
    )


def count_words(number: int, noun: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def headline(content: Content) -> list[tuple[str, str]]:
    """The numbers on top of the page, each with what it counts."""
    steps = content.steps
    derived = [s for s in content.statements if s.law is not None]
    passed = [v for v in content.verdicts if v.status == "passed"]
    certified = [v for v in content.verdicts if v.status == "certified"]
    readings = content.false_readings
    disproved = [r for r in readings if r.disproved]
    found = [r for r in readings if any(v.status == "refuted" for v in r.verdicts)]
    refuted = {r.id for r in (*disproved, *found)}
    numbers = [
        (
            str(len(derived)),
            f"laws derived: {count_words(steps.proved, 'step')} proved, {steps.assumed} assumed "
            "by appeal to named theorems",
        ),
        (
            f"{sum(v.examples for v in passed):,}",
            f"random instances looked at in {count_words(len(passed), 'check')} that passed",
        ),
    ]
    if certified:
        numbers.append((str(len(certified)), "statements certified with rigorous error bounds"))
    if readings:
        numbers.append(
            (
                f"{len(refuted)} of {len(readings)}",
                f"false readings refuted: {len(disproved)} by derivation, {len(found)} by search",
            )
        )
    if content.real_model is not None:
        tried = content.real_model.verdicts
        held = sum(v.as_it_should_be and v.status != "unknown" for v in tried)
        name = content.real_model.model["name"]
        numbers.append((f"{held} of {len(tried)}", f"statements found to hold on {name}"))
    numbers.append((str(len(content.unknown)), "statements with anything left unknown"))
    missed = [v for v in content.wrong if not v.expected]
    if missed:
        text = "searches that did not find a known counterexample: more examples are needed"
        numbers.append((str(len(missed)), text))
    if len(content.wrong) > len(missed):
        numbers.append((str(len(content.wrong) - len(missed)), "true statements REFUTED: a defect"))
    return numbers


def badges(statement: Statement) -> list[tuple[str, str]]:
    """(kind, words) of everything known about a statement, the strongest first."""
    found: list[tuple[str, str]] = []
    tally = statement.tally
    if tally.proved:
        found.append(("proved", f"proved: {count_words(tally.proved, 'step')}"))
    if tally.assumed:
        found.append(("assumed", f"assumed: {count_words(tally.assumed, 'step')}"))
    if tally.unknown:
        found.append(("unknown", f"unknown: {count_words(tally.unknown, 'step')}"))
    for verdict in statement.verdicts:
        if verdict.method == "symbolic" and statement.law is not None:
            continue  # the tally above says the same, step by step
        kind, words = main_status(verdict)
        if verdict.id == statement.id or kind != "passed":
            found.append((kind, f"{words}: {scope_of(verdict, brief=True)}"))
    if not all(verdict.as_it_should_be for verdict in statement.readings):
        found.append(("unknown", "a false reading was not refuted"))
    return found


def main_status(verdict: Verdict) -> tuple[str, str]:
    """(kind, words): how a verdict looks and what it says."""
    if verdict.expected and verdict.status == "refuted":
        return "wrong", "REFUTED"
    if not verdict.expected and verdict.status != "refuted":
        return "unknown", "not refuted"
    return verdict.status, verdict.status


def scope_of(verdict: Verdict, *, brief: bool = False) -> str:
    """On what a verdict rests: how many instances, and how close they came to the tolerance."""
    noun = "step" if verdict.method == "symbolic" else "instance"
    text = count_words(verdict.examples, noun)
    if brief or verdict.max_error is None or not verdict.expected:
        return text  # a counterexample is as wrong as it likes
    return f"{text}, worst error {verdict.max_error:.2g} of its tolerance"

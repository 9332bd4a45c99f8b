"""The report, written once: Markdown with ``$...$``, which `figures.report.html` renders.

What is known about a statement is a list of bold words (**proved**, **passed**, **unknown**), which
the page shows as badges; sections fold in `details`, which Markdown viewers understand as well.
Text of others (notes, claims, counterexamples) is escaped here and nowhere else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from steering_strength.figures.gallery import FIGURES, Figure
from steering_strength.figures.report.content import Content, Record, Statement
from steering_strength.figures.report.words import (
    code,
    count,
    display,
    filled,
    fold,
    plain,
    sentence,
    table,
    words,
)  # fmt: skip
from steering_strength.figures.store import FORMATS
from steering_strength.proofs_check.formal.coq import ALLOWED
from steering_strength.proofs_check.formal.library import Theorem, hypotheses, theorems
from steering_strength.proofs_check.formal.steps import status as step_status
from steering_strength.proofs_check.verdict import Verdict

LEGEND = """\
**proved** every step decided symbolically, for any vocabulary size. **proved with rules** named
rules of analysis take checked premises to the claim. **formal** accepted by the proof assistant
Coq. **certified** for an instance, with rigorous error bounds. **passed** no disagreement on random
instances, which is evidence and no proof; the error is in units of the check's own tolerance, so 1
would fail. **refuted** a false claim, with a counterexample. **unknown** undecided; never counted
as holding."""

_NO_REAL_MODEL = """\
Not run here. `make bridge` installs the optional extra (torch), steers SmolLM2-135M at the output
of its final norm, where the tilting law needs neither Assumption 1 nor 2, and compares every
log-probability with the closed form; run `make reproduce` again to see the result in this place."""

_REAL_CAPTION = (
    "Curves: predicted by the laws, no free parameter. Points: measured by forward passes of the "
    "steered model."
)


def report(content: Content) -> str:
    """The whole report; pictures and data are linked as files next to it."""
    free = sum(not law["assumptions"] for law in content.laws)
    sections = []
    for family, group in content.families.items():
        sections.append(f"## {family}")
        sections += [
            _section(s.id, s.id, s.title, badges(s), statement_body(content, s)) for s in group
        ]
    options = f"--examples {content.examples} --seed {content.seed}"
    return filled(
        "report.md",
        HEADLINE=_headline(content),
        OVERVIEW=figure(FIGURES["overview"]),
        LEGEND=LEGEND,
        STATEMENTS=statements_table(content),
        READINGS=readings_table(content),
        FREE=f"{count(free, 'statement')} of {len(content.laws)}",
        ASSUMPTIONS=assumed_table(content.assumptions),
        PRINCIPLES=assumed_table(content.principles),
        REFUTATIONS="\n\n".join(
            _section(r.anchor, r.id, r.title, refuted_by(r), reading_body(r))
            for r in content.readings
        ),
        FAMILIES="\n\n".join(sections),
        LOOSE="\n\n".join(figure(each) for each in FIGURES.values() if not each.laws),
        MODEL=_real_model(content),
        COMMAND=code(f"python -m figures.report --out out {options}", "sh"),
        SECONDS=f"{content.seconds:.0f}",
        VERSIONS=", ".join(f"{plain(n)} {plain(v)}" for n, v in content.versions.items()),
    )


# ---- the summary --------------------------------------------------------------------------------


def _headline(content: Content) -> str:
    """The numbers on top of the page, each with what it counts; a count of nothing is left out."""
    steps = Counter[str]()
    for s in content.statements:
        steps.update(s.steps)
    derived = f"laws derived: {count(steps['proved'], 'step')} proved"
    if ruled := steps["proved with rules"]:
        derived += f", {ruled} by rules whose premises are checked"
    passed = [v for v in content.verdicts if v.status == "passed"]
    readings = content.readings
    disproved = {r.id for r in readings if r.disproved}
    found = {r.id for r in readings if any(v.status == "refuted" for v in r.searched)}
    by_status = Counter(str(v.status) for v in content.verdicts)
    real = content.real_model or {"verdicts": [], "model": {"name": ""}}
    held = sum(v.as_it_should_be and v.status != "unknown" for v in real["verdicts"])
    missed = sum(not v.expected for v in content.wrong)
    counted = (
        (len(content.laws), derived),
        (
            f"{sum(v.examples for v in passed):,}",
            f"random instances looked at in {count(len(passed), 'check')} that passed",
        ),
        (by_status["formal"], "statements checked by a proof assistant"),
        (by_status["certified"], "statements certified with rigorous error bounds"),
        (
            readings and f"{len(disproved | found)} of {len(readings)}",
            f"false readings refuted: {len(disproved)} by derivation, {len(found)} by search",
        ),
        (
            real["verdicts"] and f"{held} of {len(real['verdicts'])}",
            f"statements found to hold on {plain(real['model']['name'])}",
        ),
        (str(len(content.unknown)), "statements with anything left unknown"),
        (missed, "searches that did not find a known counterexample: more examples are needed"),
        (len(content.wrong) - missed, "true statements REFUTED: a defect"),
    )
    return "\n".join(f"- **{number}** {text}" for number, text in counted if number)


def statements_table(content: Content) -> str:
    """One row per statement, one column per method, grouped by family."""
    methods = [("certified", "certified"), ("property", "on random instances")]
    if any(v.method == "formal" for v in content.verdicts):
        methods.insert(0, ("formal", "formal proof"))
    head = ["statement", "by derivation", *(words_ for _, words_ in methods)]
    real = content.real_model
    if real is not None:
        head.append(f"on {plain(real['model']['name'])}")
    rows: list[Sequence[str]] = []
    for family, group in content.families.items():
        rows.append([f"**{family}**", *("" for _ in head)])
        for s in group:
            steps = "<br>".join(f"**{status}** {n}" for status, n in s.steps.items())
            cells = [f"[`{s.id}`](#{s.id})<br>{words(s.title)}", steps or "no derivation"]
            cells += [_cell(v for v in s.verdicts if v.method == method) for method, _ in methods]
            if real is not None:
                cells.append(_cell(v for v in real["verdicts"] if v.id == s.id))
            rows.append([*cells, figure_links(s.figures)])
    return table((*head, "figure"), rows)


def figure_links(names: Iterable[str]) -> str:
    """Where these figures are shown."""
    return ", ".join(f"[{name}](#figure-{name})" for name in names)


def _cell(verdicts: Iterable[Verdict]) -> str:
    """Every verdict by one method, those on claims close to a statement included."""
    found = []
    for v in verdicts:
        error = f", error {v.max_error:.1g}" if v.max_error is not None and v.expected else ""
        found.append(f"**{main_status(v)}** {v.examples:,}{error}")
    return "<br>".join(found) or "–"


def readings_table(content: Content) -> str:
    """One row per false reading: by which derivation, after how many instances."""
    rows = []
    for r in content.readings:
        status = "refuted" if r.disproved else "not refuted"
        derived = f"**{status}** {count(len(r.law['steps']), 'step')}" if r.law else "–"
        claim = words(r.title, link=False)
        rows.append((f"[{claim}](#{r.anchor})", derived, _cell(r.searched)))
    return table(("false reading", "by derivation", "by search, instances"), rows)


def assumed_table(entries: Iterable[Record]) -> str:
    """Assumptions or principles: name, what it says, which statements use it."""
    rows = (
        (
            f"**{plain(e['name'])}**",
            f"{words(e['statement'])}<br>{_cited(e)}",
            ", ".join(words(f"`{name}`") for name in e["used_by"]),
        )
        for e in entries
    )
    return table(("name", "what it says", "used by"), rows)


def _cited(entry: Record) -> str:
    """Where a rule or an assumption can be read, and where it is proved formally."""
    formal = f"; formally proved as {_theorem_link(entry['formal'])}" if entry["formal"] else ""
    return f"{words(entry['reference'])}{formal}"


def _theorem_link(formal: str) -> str:
    """A theorem by name, as a link to its file; `formal` is "THEOREM in FILE"."""
    theorem, _, file = formal.partition(" in ")
    return f"[`{theorem}`](formal/{file})"


# ---- one statement ------------------------------------------------------------------------------


def _section(place: str, name: str, title: str, below: str, body: str) -> str:
    """A statement or a false reading: its name and what is known of it, folded over its body."""
    return (
        f'<details class="statement" id="{place}"><summary>\n\n'
        f"### `{name}`: {words(title)}\n\n{below}\n\n</summary>\n\n{body}\n\n</details>"
    )


def badges(s: Statement) -> str:
    """Everything known about a statement, the strongest first."""
    found = [f"**{status}** {count(n, 'step')}" for status, n in s.steps.items()]
    for verdict in s.searched:
        status = main_status(verdict)
        if verdict.id == s.id or status != "passed":
            found.append(f"**{status}** {verdict.counted}")
    if not all(verdict.as_it_should_be for r in s.readings for verdict in r.verdicts):
        found.append("**a false reading was not refuted**")
    return " ".join(found)


def statement_body(content: Content, s: Statement) -> str:
    """Source, claim, facts, derivation, checks, figures and how to repeat it."""
    parts = [law_body(s.law)] if s.law is not None else []
    parts += formal_statements(s.id)
    parts += _checks(s)
    shown = [name for name in s.figures if name != "overview" and FIGURES[name].laws[0] == s.id]
    parts += [figure(FIGURES[name]) for name in shown]
    if also := figure_links(name for name in s.figures if name not in shown):
        parts.append(f"*Also in {also}.*")
    commands, named = [], []
    if s.law is not None:
        commands.append(f"python -m theory derive {s.id}")
        named.append("[derivations.json](derivations.json)")
    if s.all_verdicts:
        options = f"--examples {content.examples} --seed {content.seed}"
        commands.append(f"python -m proofs_check {s.id} {options}")
        named.append("[checks.json](checks.json)")
    parts.append(code("\n".join(commands), "sh"))
    return "\n\n".join([*parts, f"*As data under this id in {' and '.join(named)}.*"])


def law_body(law: Record) -> str:
    """What a derivation says: source, claim, facts, notation, steps."""
    paper = r"[arXiv:\1](https://arxiv.org/abs/\1)"
    source = re.sub(r"arXiv:(\d{4}\.\d{5})", paper, plain(law["source"]))
    claim = "\n\n".join(
        filter(None, (line for part in law["claim"] for line in (_assertion(part), _under(part))))
    )
    parts = [f"*{source}*"] if source else []
    parts += [f'<div class="claim">\n\n{claim}\n\n</div>', _facts(law)]
    if law["notation"]:
        summary = f"Notation, {count(len(law['notation']), 'definition')}"
        rows = "\n\n".join(display(entry["latex"]) for entry in law["notation"])
        parts.append(fold(summary, rows))
    return "\n\n".join([*parts, _steps(law, "Derivation")])


def formal_statements(name: str) -> list[str]:
    """The statement as theorems of Coq, as they stand in their files."""
    own = [theorem for theorem in theorems() if theorem.id == name]
    if not own:
        return []
    axioms = ", ".join(f"`{name}`" for name in sorted(ALLOWED))
    said = f"Nothing is assumed but the axioms of Coq's classical real numbers: {axioms}."
    return [fold(f"In Coq, {count(len(own), 'theorem')}", "\n\n".join([*map(_theorem, own), said]))]


def _theorem(t: Theorem) -> str:
    """One theorem as it stands in its file, with what its section has around it."""
    around = "\n".join(hypotheses(t))
    stated = f"Theorem {t.name} {t.statement}."
    shown = f"{around}\n\n{stated}" if around else stated
    where = f"[{t.file}](formal/{t.file}), line {t.line}"
    return f"{plain(t.words)} {where}.\n\n{code(shown, 'text')}"


def _facts(law: Record) -> str:
    facts = (
        ("False claim" if law["expected"] == "false" else "Paper", law["paper"]),
        ("Here", law["sharper"]),
        ("Assumes", ", ".join(law["assumptions"]) or "only p > 0 and real log-odds"),
        ("Builds on", ", ".join(f"`{name}`" for name in law["builds_on"])),
        ("Care", law["care"]),
        ("In code", f"`{law['numeric_twin']}`"),
    )
    return "\n".join(f"- **{label}.** {words(text)}" for label, text in facts if text)


def _steps(law: Record, name: str) -> str:
    items = [_step(step, law["id"]) for step in law["steps"]]
    if law["assumed"]:
        theorems = "\n".join(
            f"- **{plain(e['name'])}**: {words(e['statement'])} {_cited(e)}" for e in law["assumed"]
        )
        items.append(f"Appeals to:\n\n{theorems}")
    summary = f"{name}, {count(len(law['steps']), 'step')}"
    return fold(summary, "\n\n".join(items), shown=True)


_IN_COQ = {"proved": "proved in Coq as it stands", "type-checked": "stated in Coq"}


def _step(step: Record, law: str) -> str:
    reasons = [words(text) for text in (step["rule"], step["reason"]) if text]
    if step["formal"]:
        reasons.insert(1, f"formally proved as {_theorem_link(step['formal'])}")
    line = f"**{step['status']}** {'; '.join(reasons)}"
    if step["form_latex"]:
        line += f"; difference ${step['form_latex']}$"
    if step["why"]:
        line += f"; {words(step['why'])}"
    if printed := _IN_COQ.get(step_status(law, step["number"])):
        line += f"; {printed}"
    if under := _under(step):
        line += f" {under}"
    marker = f"{step['number']}. "
    text = f"{_assertion(step)}\n\n{line}"
    return marker + text.replace("\n", "\n" + " " * len(marker))


def _under(part: Record) -> str:
    """The hypotheses of a claim or of a step."""
    given = "; ".join(sentence(latex, plain) for latex in part["given_latex"])
    return f"*given {given}*" if given else ""


def _assertion(part: Record) -> str:
    """A formula on a line of its own, or a sentence with formulas in it."""
    latex = part["latex"] or part["words"]
    return sentence(latex, plain) if r"\text{" in latex else display(latex)


def _checks(s: Statement) -> list[str]:
    verdicts = s.all_verdicts
    if not verdicts:
        return []
    rows = [(f"**{main_status(v)}**", str(v.method), _claim(v), _scope(v)) for v in verdicts]
    body = table(("status", "method", "claim", "on what"), rows)
    # A false reading's counterexample is in its own section; here only what should not be.
    codes = [_counterexample(v) for v in verdicts if v.expected and v.counterexample]
    summary = f"Checks, {count(len(verdicts), 'verdict')}"
    return [fold(summary, "\n\n".join([body, *codes]), shown=True)]


def _claim(verdict: Verdict) -> str:
    return words(verdict.claim) + (f"<br>*{plain(verdict.note)}*" if verdict.note else "")


def _counterexample(verdict: Verdict) -> str:
    program = code(verdict.counterexample or "", "python")
    return fold("Counterexample, as code that runs", program)


# ---- false readings, figures, the real model ----------------------------------------------------


def refuted_by(reading: Statement) -> str:
    """How a false reading was refuted."""
    found = []
    if reading.law is not None:
        found.append("refuted by derivation" if reading.disproved else "not refuted")
    for verdict in reading.searched:
        status = main_status(verdict)
        searched = verdict.method == "property" and status == "refuted"
        found.append(f"{status} by search" if searched else status)
    return " ".join(f"**{text}**" for text in found)


def reading_body(reading: Statement) -> str:
    """What is true instead, the derivation that refutes, and what the search found."""
    parts = []
    if reading.law is not None:
        truth = reading.law["sharper"]
        parts += [f"**In truth:** {words(truth)}"] if truth else []
        parts.append(_steps(reading.law, "Refutation"))
    for v in reading.searched:
        parts.append(f"{words(v.claim)} *{count(v.examples, 'instance')} looked at.*")
        parts += [_counterexample(v)] if v.counterexample else []
    near = words(f"`{reading.id.partition('/')[0]}`")
    return "\n\n".join([*parts, f"*Near {near}.*"])


def figure(shown: Figure) -> str:
    """A picture with its caption and files."""
    files = " ".join(f"[{kind}]({shown.name}.{kind})" for kind in (*FORMATS, "npz"))
    wide = ' class="wide"' if shown.panels > 1 else ""
    return (
        f'<figure id="figure-{shown.name}"{wide}>\n\n'
        f"![{plain(shown.caption)}]({shown.name}.png)\n\n"
        f"**{plain(shown.title)}.** {words(shown.caption)} {plain(shown.source)}. "
        f"Files: {files}\n\n</figure>"
    )


def _real_model(content: Content) -> str:
    found = content.real_model
    if found is None:
        return _NO_REAL_MODEL
    model, measured = found["model"], found["measured"]
    about = (
        f"{model['name']} ({model['blocks']} blocks, width {model['width']}, vocabulary "
        f"{model['vocabulary']:,}, {model['dtype']}), steered at the output of its final norm "
        f"toward {found['concept']['name']!r} with |alpha| up to {measured['alpha_max']:g}. "
        "Predicted and measured log-probabilities differ by at most "
        f"{measured['max_error_nats']:.1e} nats, while steering moves "
        f"{measured['total_variation_at_the_ends']:.0%} of the probability or more at the ends "
        "of the range."
    )
    rows = (
        (words(f"`{v.id}`"), f"**{main_status(v)}**", _claim(v), _scope(v))
        for v in found["verdicts"]
    )
    parts = [words(about), table(("statement", "status", "claim", "on what"), rows)]
    if found["picture"] is not None:
        files = " ".join(f"[{k}](bridge/final_norm.{k})" for k in ("pdf", "npz", "json"))
        picture = f"![{_REAL_CAPTION}](bridge/final_norm.png)\n\n{_REAL_CAPTION} Files: {files}"
        parts.append(f'<figure class="wide">\n\n{picture}\n\n</figure>')
    return "\n\n".join(parts)


def main_status(verdict: Verdict) -> str:
    """What a verdict says: REFUTED and "not refuted" are what should not be."""
    if verdict.as_it_should_be:
        return str(verdict.status)
    return "REFUTED" if verdict.expected else "not refuted"


def _scope(verdict: Verdict) -> str:
    """On what a verdict rests: how many instances, and how close they came to the tolerance."""
    if verdict.max_error is None or not verdict.expected:
        return verdict.counted  # a counterexample is as wrong as it likes
    return f"{verdict.counted}, worst error {verdict.max_error:.2g} of its tolerance"

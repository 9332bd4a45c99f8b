"""The report, written once: Markdown with ``$...$``, which `figures.report.html` renders.

What is known about a statement is a list of bold words (**proved**, **passed**, **unknown**), which
the page shows as badges; sections fold in `details`, which Markdown viewers understand as well.
Text of others (notes, claims, counterexamples) is escaped here and nowhere else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from steering_strength.figures.gallery import FIGURES, Figure
from steering_strength.figures.report.content import Content, Reading, Statement
from steering_strength.figures.store import FORMATS
from steering_strength.proofs_check.formal.coq import ALLOWED
from steering_strength.proofs_check.formal.library import Theorem, hypotheses, theorems
from steering_strength.proofs_check.formal.steps import status as step_status
from steering_strength.proofs_check.verdict import Verdict

TITLE = "Steering strength: derived, verified, checked, drawn"

_ABOUT = """\
To steer a language model is to add $\\alpha$ times a vector to its hidden state. This page holds
the theory of how the strength $\\alpha$ acts, from
[arXiv:2602.02712](https://arxiv.org/abs/2602.02712) and in sharper forms: each statement is derived
step by step with computer algebra, proved in Coq, checked against independent arithmetic and
against a simulated model, and drawn."""

_PATH = """\
1. **Assumption**: what is required of data and model, named; many statements need none.
2. **Model**: a dataset with concepts and an Unconstrained Features Model, matrices $W$ and $H$.
3. **Law**: the statement in SymPy, derived for any vocabulary size; every step has a status.
4. **Numbers**: the same law in float64 and in log space, written without looking at SymPy.
5. **Check**: law, numbers, simulation and exact arithmetic of one random instance must agree; \
false readings must be refuted.
6. **Figure**: the law as a line over the simulation as rings, and the arrays of both."""

_SYMBOLS = (
    (r"$z$, $V$", "a token, and how many there are"),
    (r"$C$, $T$, $|C|$", "a concept (a set of tokens), the target concept, the number of tokens"),
    (r"$c_j$, $\pi_j$", "a context and how often it occurs; all sums over contexts are weighted"),
    (r"$p(z|c_j)$, $p_z$", "probability of the next token without steering"),
    (r"$a_z$, $b_z$", "its values in contexts of the token's own concept and of other concepts"),
    (r"$W$, $H$, $h_j$", "unembedding and states of the model: logits $W h_j$"),
    (r"$P$, $N$, $q$", "contexts inside and outside $T$ that define the vector, $q$ of each"),
    (r"$v$, $\alpha$", "the steering vector, mean of $h$ over $P$ minus over $N$; its multiple"),
    (
        r"$M(z)$, $M_z$",
        r"log-odds: mean of $\log p(z|c_i)$ over $P$ minus over $N$, in nats per unit of $\alpha$",
    ),
    (r"$p_{\alpha}(z)$, $\Delta p(z|\alpha)$", "probability once steered; its increase over $p$"),
    (r"$K(\alpha)$", r"$\log \sum_z p_z e^{\alpha M_z}$; its slope is the mean log-odds"),
    (r"$E_{\alpha}[M]$", r"mean of $M$ under $p_{\alpha}$; likewise variance and cumulants"),
    (r"$F_C(\alpha)$", r"probability of the concept, $\sum_{z \in C} p_{\alpha}(z)$"),
    (r"$\Delta p(C|\alpha)$", r"$(F_C(\alpha) - F_C(0)) / |C|$: its increase per token (Def. 3.5)"),
    (r"$\Delta\mathrm{CE}(\alpha)$", "increase of the cross-entropy on the data, nats per token"),
)

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
    laws = [s.law for s in content.statements if s.law is not None]
    free = sum(not law["assumptions"] for law in laws)
    parts = [
        f"# {TITLE}",
        _ABOUT,
        f'<div class="cards">\n\n{_headline(content)}\n\n</div>',
        figure(content, FIGURES["overview"]),
        _fold("How to read this page: from assumption to figure", _PATH),
        _fold("Symbols", table(("symbol", "meaning"), _SYMBOLS)),
        "## What holds, by which method, on what",
        LEGEND,
        statements_table(content),
        *_summary_of_readings(content),
        "## What was assumed",
        f"On data and model: {_count(free, 'statement')} of {len(laws)} need none of the "
        "assumptions below and hold for any positive probabilities and any log-odds.",
        assumed_table(content, content.assumptions),
        "From analysis: theorems that SymPy does not prove. A step that appeals to one is marked "
        "as assumed.",
        assumed_table(content, content.principles),
        "## False readings, refuted",
        "By derivation, on an instance small enough to check by hand; and by search: the checks "
        "had to find a counterexample among random instances and to shrink it. One that they did "
        "not find is marked.",
        *(
            _section(content, r.anchor, r.id, r.claim, refuted_by(r), reading_body(content, r))
            for r in content.false_readings
        ),
    ]
    for family, group in content.families.items():
        parts.append(f"## {family}")
        for s in group:
            body = statement_body(content, s)
            parts.append(_section(content, s.id, s.id, s.title, badges(s), body))
    loose = [FIGURES[name] for name, home in content.homes.items() if not home]
    if loose:
        parts += ["## The model behind the figures", *(figure(content, f) for f in loose)]
    parts += ["## On a real language model", _real_model(content), _repeat(content)]
    return "\n\n".join(parts) + "\n"


# ---- the summary --------------------------------------------------------------------------------


def _headline(content: Content) -> str:
    """The numbers on top of the page, each with what it counts."""
    derived = [s for s in content.statements if s.law is not None]
    kinds = ("proved", "proved with rules", "assumed")
    proved, ruled, assumed = (sum(s.steps.get(kind, 0) for s in derived) for kind in kinds)
    more = [f"{ruled} by rules whose premises are checked"] if ruled else []
    more += [f"{assumed} assumed by appeal to named theorems"] if assumed else []
    passed = [v for v in content.verdicts if v.status == "passed"]
    readings = content.false_readings
    disproved = [r for r in readings if r.disproved]
    found = [r for r in readings if any(v.status == "refuted" for v in r.verdicts)]
    by_status = Counter(str(v.status) for v in content.verdicts)
    refuted = len({r.id for r in (*disproved, *found)})
    tried = content.real_model.verdicts if content.real_model else ()
    held = sum(v.as_it_should_be and v.status != "unknown" for v in tried)
    model = plain(content.real_model.model["name"]) if content.real_model else ""
    missed = sum(not v.expected for v in content.wrong)
    counted = (  # a count of nothing is left out, but for what is unknown
        (str(len(derived)), ", ".join([f"laws derived: {_count(proved, 'step')} proved", *more])),
        (
            f"{sum(v.examples for v in passed):,}",
            f"random instances looked at in {_count(len(passed), 'check')} that passed",
        ),
        (by_status["formal"], "statements checked by a proof assistant"),
        (by_status["certified"], "statements certified with rigorous error bounds"),
        (
            readings and f"{refuted} of {len(readings)}",
            f"false readings refuted: {len(disproved)} by derivation, {len(found)} by search",
        ),
        (tried and f"{held} of {len(tried)}", f"statements found to hold on {model}"),
        (str(len(content.unknown)), "statements with anything left unknown"),
        (missed, "searches that did not find a known counterexample: more examples are needed"),
        (len(content.wrong) - missed, "true statements REFUTED: a defect"),
    )
    return "\n".join(f"- **{number}** {text}" for number, text in counted if number)


def statements_table(content: Content) -> str:
    """One row per statement, one column per method, grouped by family."""
    methods = [("certified", "certified"), ("property", "on random instances")]
    if any(str(v.method) == "formal" for v in content.verdicts):
        methods.insert(0, ("formal", "formal proof"))
    head = ["statement", "by derivation", *(words_ for _, words_ in methods)]
    real = content.real_model
    if real is not None:
        head.append(f"on {plain(real.model['name'])}")
    rows: list[tuple[str, ...]] = []
    for family, group in content.families.items():
        rows.append((f"**{family}**", *("" for _ in head)))
        for s in group:
            steps = "<br>".join(f"**{status}** {n}" for status, n in s.steps.items())
            derived = "no derivation" if s.law is None else steps
            cells = [f"{_link(content, s.id)}<br>{words(content, s.title)}", derived]
            cells += [_cell(v for v in s.verdicts if v.method == method) for method, _ in methods]
            if real is not None:
                cells.append(_cell(v for v in real.verdicts if v.id == s.id))
            cells.append(", ".join(f"[{name}](#figure-{name})" for name in s.figures))
            rows.append(tuple(cells))
    return table((*head, "figure"), rows)


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
    for r in content.false_readings:
        derived = "–"
        if r.law is not None:
            status = "refuted" if r.disproved else "not refuted"
            derived = f"**{status}** {_count(len(r.law['steps']), 'step')}"
        claim = words(content, r.claim, link=False)
        rows.append((f"[{claim}](#{r.anchor})", derived, _cell(r.verdicts)))
    return table(("false reading", "by derivation", "by search, instances"), rows)


def _summary_of_readings(content: Content) -> list[str]:
    if not content.false_readings:
        return []
    about = "Claims close to the theorems that look right and are not, some of them sentences of"
    return ["### And what does not", f"{about} the paper.", readings_table(content)]


def assumed_table(content: Content, entries: Iterable[Mapping[str, Any]]) -> str:
    """Assumptions or principles: name, what it says, which statements use it."""
    rows = (
        (
            f"**{plain(e['name'])}**",
            f"{words(content, e['statement'])}<br>{_cited(content, e)}",
            ", ".join(_link(content, name) for name in e["used_by"]),
        )
        for e in entries
    )
    return table(("name", "what it says", "used by"), rows)


def _cited(content: Content, entry: Mapping[str, Any]) -> str:
    """Where a rule or an assumption can be read, and where it is proved formally."""
    formal = f"; formally proved as {_theorem_link(entry['formal'])}" if entry["formal"] else ""
    return f"{words(content, entry['reference'])}{formal}"


# ---- one statement ------------------------------------------------------------------------------


def _section(content: Content, place: str, name: str, title: str, below: str, body: str) -> str:
    """A statement or a false reading: its name and what is known of it, folded over its body."""
    return (
        f'<details class="statement" id="{place}"><summary>\n\n'
        f"### `{name}`: {words(content, title)}\n\n{below}\n\n</summary>\n\n{body}\n\n</details>"
    )


def badges(s: Statement) -> str:
    """Everything known about a statement, the strongest first."""
    found = [f"**{status}** {_count(n, 'step')}" for status, n in s.steps.items()]
    for verdict in s.verdicts:
        if verdict.method == "symbolic" and s.law is not None:
            continue  # the steps above say the same, one by one
        status = main_status(verdict)
        if verdict.id == s.id or status != "passed":
            found.append(f"**{status}** {verdict.counted}")
    if not all(verdict.as_it_should_be for verdict in s.readings):
        found.append("**a false reading was not refuted**")
    return " ".join(found)


def statement_body(content: Content, s: Statement, *, files: bool = True) -> str:
    """Source, claim, facts, derivation, checks, figures and how to repeat it.

    Without `files`, for a page elsewhere, data files are not linked.
    """
    paper = r"[arXiv:\1](https://arxiv.org/abs/\1)"
    source = re.sub(r"arXiv:(\d{4}\.\d{5})", paper, plain(s.source))
    parts = [f"*{source}*"] if source else []
    if s.law is not None:
        shown = s.law.get("claim") or [s.law["statement"]]
        stated = (line for part in shown for line in (_assertion(content, part), _under(part)))
        claim = "\n\n".join(filter(None, map(str.strip, stated)))
        parts += [f'<div class="claim">\n\n{claim}\n\n</div>', _facts(content, s.law)]
        if s.law["notation"]:
            summary = f"Notation, {_count(len(s.law['notation']), 'definition')}"
            rows = "\n\n".join(_display(entry["latex"]) for entry in s.law["notation"])
            parts.append(_fold(summary, rows))
        parts.append(_steps(content, s.law, "Derivation"))
    parts += formal_statements(s.id)
    parts += _checks(content, s)
    homes = content.homes
    parts += [figure(content, FIGURES[name]) for name in s.figures if homes.get(name) == s.id]
    also = ", ".join(f"[{n}](#figure-{n})" for n in s.figures if homes.get(n) != s.id)
    if also:
        parts.append(f"*Also in {also}.*")
    checked = bool(s.verdicts or s.readings)
    lines = [f"python -m theory derive {s.id}"] if s.law is not None else []
    if checked:
        lines.append(
            f"python -m proofs_check {s.id} --examples {content.examples} --seed {content.seed}"
        )
    parts.append(_code("\n".join(lines), "sh"))
    if files:
        named = ["[derivations.json](derivations.json)"] if s.law is not None else []
        named += ["[checks.json](checks.json)"] if checked else []
        parts.append(f"*As data under this id in {' and '.join(named)}.*")
    return "\n\n".join(parts)


def formal_statements(name: str) -> list[str]:
    """The statement as theorems of Coq, as they stand in their files."""
    own = [theorem for theorem in theorems() if theorem.id == name]
    if not own:
        return []
    parts = [_theorem(t) for t in own]
    axioms = ", ".join(f"`{name}`" for name in sorted(ALLOWED))
    parts.append(f"Nothing is assumed but the axioms of Coq's classical real numbers: {axioms}.")
    return [_fold(f"In Coq, {_count(len(own), 'theorem')}", "\n\n".join(parts))]


def _theorem(t: Theorem) -> str:
    """One theorem as it stands in its file, with what its section has around it."""
    around = "\n".join(hypotheses(t))
    stated = f"Theorem {t.name} {t.statement}."
    shown = f"{around}\n\n{stated}" if around else stated
    where = f"[{t.file}](formal/{t.file}), line {t.line}"
    return f"{plain(t.words)} {where}.\n\n{_code(shown, 'text')}"


def _facts(content: Content, law: Mapping[str, Any]) -> str:
    facts = (
        ("False claim" if law["expected"] == "false" else "Paper", law["paper"]),
        ("Here", law["sharper"]),
        ("Assumes", ", ".join(law["assumptions"]) or "only p > 0 and real log-odds"),
        ("Builds on", ", ".join(f"`{name}`" for name in law["builds_on"])),
        ("Care", law["care"]),
        ("In code", f"`{law['numeric_twin']}`"),
    )
    return "\n".join(f"- **{label}.** {words(content, text)}" for label, text in facts if text)


def _steps(content: Content, law: Mapping[str, Any], name: str) -> str:
    items = [_step(content, step, law["id"]) for step in law["steps"]]
    if law["assumed"]:
        theorems = "\n".join(
            f"- **{plain(e['name'])}**: {words(content, e['statement'])} {_cited(content, e)}"
            for e in law["assumed"]
        )
        items.append(f"Appeals to:\n\n{theorems}")
    summary = f"{name}, {_count(len(law['steps']), 'step')}"
    return _fold(summary, "\n\n".join(items), shown=True)


_IN_COQ = {"proved": "proved in Coq as it stands", "type-checked": "stated in Coq"}


def _step(content: Content, step: Mapping[str, Any], law: str) -> str:
    reasons = [words(content, text) for text in (step["rule"], step["reason"]) if text]
    if step["formal"]:
        reasons.insert(1, f"formally proved as {_theorem_link(step['formal'])}")
    line = f"**{step['status']}** {'; '.join(reasons)}"
    if form := step.get("form_latex"):
        line += f"; difference ${form}$"
    if why := step.get("why"):
        line += f"; {words(content, why)}"
    if printed := _IN_COQ.get(step_status(law, step["number"])):
        line += f"; {printed}"
    line += _under(step)
    marker = f"{step['number']}. "
    text = f"{_assertion(content, step)}\n\n{line}"
    return marker + text.replace("\n", "\n" + " " * len(marker))


def _under(part: Mapping[str, Any]) -> str:
    """The hypotheses of a claim or of a step."""
    given = "; ".join(_sentence(latex) for latex in part.get("given_latex", ()))
    return f" *given {given}*" if given else ""


def _theorem_link(formal: str) -> str:
    """A theorem by name, as a link to its file; `formal` is "THEOREM in FILE"."""
    theorem, _, file = formal.partition(" in ")
    return f"[`{theorem}`](formal/{file})"


def _assertion(content: Content, part: Mapping[str, Any]) -> str:
    """A formula on a line of its own, or a sentence with formulas in it."""
    latex = part["latex"] or part.get("words", "")
    if not latex:
        return words(content, part["text"])
    return _sentence(latex) if "\\text{" in latex else _display(latex)


def _sentence(latex: str) -> str:
    r"""LaTeX whose words are in ``\text{...}``, as words between formulas."""
    pieces, at = [], 0
    while (start := latex.find(r"\text{", at)) >= 0:
        end, depth = start + len(r"\text{"), 1
        while depth and end < len(latex):
            depth += {"{": 1, "}": -1}.get(latex[end], 0)
            end += 1
        pieces += [latex[at:start], latex[start + len(r"\text{") : end - 1]]
        at = end
    pieces.append(latex[at:])
    if any(p.count(r"\left") != p.count(r"\right") for p in pieces[::2]):
        # A bracket with words inside cannot grow with what it holds.
        return _sentence(re.sub(r"\\(left|right)(?![a-z])", "", latex))
    line = ""
    for k, piece in enumerate(pieces):
        inner = re.split(r"(\$[^$]*\$)", piece) if k % 2 else [f"${piece.strip()}$"]
        for text in filter(str.strip, inner):
            if text[0] != "$":
                text = plain(text)
            elif text == "$$":
                continue
            if line and line[-1] not in " (" and text[0] not in " ,;:.)":
                line += " "
            line += text
    return " ".join(line.split())


def _checks(content: Content, s: Statement) -> list[str]:
    verdicts = (*s.verdicts, *s.readings)
    if not verdicts:
        return []
    rows = [
        (f"**{main_status(v)}**", str(v.method), _claim(content, v), _scope(v)) for v in verdicts
    ]
    body = table(("status", "method", "claim", "on what"), rows)
    # A false reading's counterexample is in its own section; here only what should not be.
    codes = [_counterexample(v) for v in verdicts if v.expected and v.counterexample]
    summary = f"Checks, {_count(len(verdicts), 'verdict')}"
    return [_fold(summary, "\n\n".join([body, *codes]), shown=True)]


def _claim(content: Content, verdict: Verdict) -> str:
    note = f"<br>*{plain(verdict.note)}*" if verdict.note else ""
    return words(content, verdict.claim) + note


def _counterexample(verdict: Verdict) -> str:
    code = _code(verdict.counterexample or "", "python")
    return _fold("Counterexample, as code that runs", code)


# ---- false readings, figures, the real model ----------------------------------------------------


def refuted_by(reading: Reading) -> str:
    """How a false reading was refuted."""
    found = []
    if reading.law is not None:
        found.append("refuted by derivation" if reading.disproved else "not refuted")
    for verdict in reading.verdicts:
        status = main_status(verdict)
        searched = verdict.method == "property" and status == "refuted"
        found.append(f"{status} by search" if searched else status)
    return " ".join(f"**{text}**" for text in found)


def reading_body(content: Content, reading: Reading) -> str:
    """What is true instead, the derivation that refutes, and what the search found."""
    parts = [f"**In truth:** {words(content, reading.truth)}"] if reading.truth else []
    if reading.law is not None:
        parts.append(_steps(content, reading.law, "Refutation"))
    for v in reading.verdicts:
        looked = f"*{_count(v.examples, 'instance')} looked at.*"
        parts.append(f"{words(content, v.claim)} {looked}")
        parts += [_counterexample(v)] if v.counterexample else []
    parts.append(f"*Near {_link(content, reading.id.partition('/')[0])}.*")
    return "\n\n".join(parts)


def figure(content: Content, shown: Figure) -> str:
    """A picture with its caption and files."""
    files = " ".join(f"[{kind}]({shown.name}.{kind})" for kind in (*FORMATS, "npz"))
    wide = ' class="wide"' if shown.panels > 1 else ""
    return (
        f'<figure id="figure-{shown.name}"{wide}>\n\n'
        f"![{plain(shown.caption)}]({shown.name}.png)\n\n"
        f"**{plain(shown.title)}.** {words(content, shown.caption)} {plain(shown.source)}. "
        f"Files: {files}\n\n</figure>"
    )


def _real_model(content: Content) -> str:
    found = content.real_model
    if found is None:
        return _NO_REAL_MODEL
    model, measured = found.model, found.measured
    about = (
        f"{model['name']} ({model['blocks']} blocks, width {model['width']}, vocabulary "
        f"{model['vocabulary']:,}, {model['dtype']}), steered at the output of its final norm "
        f"toward {found.concept['name']!r} with |alpha| up to {measured['alpha_max']:g}. Predicted "
        f"and measured log-probabilities differ by at most {measured['max_error_nats']:.1e} nats, "
        f"while steering moves {measured['total_variation_at_the_ends']:.0%} of the probability "
        "or more at the ends of the range."
    )
    rows = (
        (_link(content, v.id), f"**{main_status(v)}**", _claim(content, v), _scope(v))
        for v in found.verdicts
    )
    parts = [words(content, about), table(("statement", "status", "claim", "on what"), rows)]
    if found.picture is not None:
        files = " ".join(f"[{k}](bridge/final_norm.{k})" for k in ("pdf", "npz", "json"))
        picture = f"![{_REAL_CAPTION}](bridge/final_norm.png)\n\n{_REAL_CAPTION} Files: {files}"
        parts.append(f'<figure class="wide">\n\n{picture}\n\n</figure>')
    return "\n\n".join(parts)


def _repeat(content: Content) -> str:
    command = (
        f"python -m figures.report --out out --examples {content.examples} --seed {content.seed}"
    )
    versions = ", ".join(f"{plain(name)} {plain(n)}" for name, n in content.versions.items())
    return (
        f"## Repeat this run\n\n{_code(command, 'sh')}\n\n{content.seconds:.0f} s; {versions}. "
        "Everything as data, next to this page: [derivations.json](derivations.json), "
        "[checks.json](checks.json), [report.md](report.md)."
    )


# ---- words and Markdown -------------------------------------------------------------------------


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


def _count(number: int, noun: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def plain(text: object) -> str:
    """Any text as Markdown that shows exactly this text."""
    line = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", escape(str(text), quote=False))
    return re.sub(r"([\\`*_\[\]$~])", r"\\\1", line)


def words(content: Content, text: str, *, link: bool = True) -> str:
    """Prose: ``$...$`` is mathematics, an id in backticks a link; the rest is escaped.

    Lines without ``$`` were written for a terminal, as claims of checks are; see `_spelled`.
    """
    ids = {s.id for s in content.statements} if link else set()
    out = []
    for piece in re.split(r"(`[^`]*`|\$[^$]+\$)", " ".join(text.split())):
        if piece[:1] == "$" and len(piece) > 1:
            out.append(piece)
        elif piece[:1] == "`" and len(piece) > 1:
            out.append(f"[{piece}](#{piece[1:-1]})" if piece[1:-1] in ids else piece)
        else:
            out.append(plain(piece) if "$" in text else _spelled(piece))
    return "".join(out)


_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "eps": "ε", "epsilon": "ε",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "omega": "ω", "pi": "π", "rho": "ρ",
    "sigma": "σ", "Delta": "Δ", "inf": "∞",
}  # fmt: skip
_GREEK_WORD = re.compile(rf"(?<![A-Za-z])({'|'.join(_GREEK)})(?![A-Za-z])")
_RELATIONS = (("&lt;=", "≤"), ("&gt;=", "≥"), ("-&gt;", "→"), ("!=", "≠"), ("+-", "±"))
_MINUS = re.compile(r"(?<= )-(?= )|(?<![\w)\]}])-(?=[\dα-ω∞(A-Z|])")
# Names longer than a letter that take an index.
_WORDS = "max|min|sup|argmax|argmin|mean|sum|prod|LN|KL|Var"
_BASE = rf"((?<![A-Za-z])(?:{_WORDS}|[A-Za-zα-ωΑ-Ω∂ℓ])[\u0304']{{0,2}}|</sup>)"
_INDEX = r"(\{[^{}]*\}|\((?:[^()]|\([^()]*\))*\)|[+\u2212-]?[A-Za-z0-9α-ωΑ-Ω∞*\u0304]+|[+\u2212-])"
_SUBSCRIPT = re.compile(rf"{_BASE}_{_INDEX}")
_EXPONENT = re.compile(rf"\^{_INDEX}")


def _spelled(text: str) -> str:
    """A line such as ``K_j'(alpha) <= e^(α M_z)`` with letters, indices and exponents."""
    html = escape(text, quote=False)
    for ascii_, sign in _RELATIONS:
        html = html.replace(ascii_, sign)
    html = _GREEK_WORD.sub(lambda match: _GREEK[match.group(1)], html)
    html = _MINUS.sub("\u2212", html)
    html = _EXPONENT.sub(lambda match: f"<sup>{_bare(match.group(1))}</sup>", html)
    html = _SUBSCRIPT.sub(lambda m: f"{m.group(1)}<sub>{_bare(m.group(2))}</sub>", html)
    return re.sub(r"([\\`*_\[\]$~])", r"\\\1", html)


def _bare(index: str) -> str:
    """An index without the braces that hold it together."""
    return index[1:-1] if index[0] in "{(" else index.replace("-", "\u2212")


def _link(content: Content, name: str) -> str:
    """An id that leads to its statement, if the report has it."""
    return f"[`{name}`](#{name})" if any(s.id == name for s in content.statements) else f"`{name}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell is escaped, which would end it (``p(z|c)`` is full of them)."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines
    )


def _display(latex: str) -> str:
    return f"$${' '.join(latex.split())}$$"


def _fold(summary: str, body: str, *, shown: bool = False) -> str:
    opened = " open" if shown else ""
    return f"<details{opened}><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _code(text: str, language: str) -> str:
    """A fenced block, whatever the text holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"

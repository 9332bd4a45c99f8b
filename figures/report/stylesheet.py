"""The look of ``report.html``: legible at any width, calm on screen, complete on paper.

`COMPONENTS` is what a statement, a table or a figure looks like; other pages that show them may use
it, inside a rule of their own and with the colours `--ink`, `--soft`, `--line`, `--tint` defined.
"""

__all__ = ["COMPONENTS", "CSS", "SCRIPT"]

_FRAME = """
:root { --ink:#222; --soft:#5c5c5c; --line:#dedede; --paper:#fff; --tint:#f6f7f9; --link:#00557f; }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; color: var(--ink); background: var(--paper);
  font: 17px/1.55 Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, serif; }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; }
code { font: .86em ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.layout { display: grid; grid-template-columns: 15.5rem minmax(0, 1fr); max-width: 80rem;
  margin: 0 auto; }
nav { font: 14px/1.45 system-ui, "DejaVu Sans", sans-serif; padding: 1.6rem 1rem 2rem 1.4rem; }
nav .inner { position: sticky; top: 1.2rem; max-height: calc(100vh - 2.4rem); overflow: auto; }
nav ul { list-style: none; margin: .1rem 0 .8rem; padding: 0; }
nav li { margin: .12rem 0; }
nav a { color: var(--ink); text-decoration: none; }
nav a:hover { text-decoration: underline; }
nav strong { font-weight: 600; color: var(--soft); font-size: 12.5px; }
main { padding: 1.8rem 2.2rem 4rem 1.4rem; min-width: 0; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .2rem 0 .6rem; }
h2 { font-size: 1.4rem; margin: 2.6rem 0 .6rem; padding-top: .8rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.12rem; line-height: 1.35; margin: 0 0 .15rem; }
.lead { font-size: 1.08rem; max-width: 44rem; }
p, ul, dl { max-width: 44rem; }
h2 + p + h3, .scroll + h3 { margin-top: 2rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .8rem;
  margin: 1.2rem 0; padding: 0; max-width: none; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.55rem; line-height: 1.15; font-weight: 600; }
.card span { display: block; color: var(--soft);
  font: 13px/1.4 system-ui, "DejaVu Sans", sans-serif; }
.path { font: 14px/1.6 system-ui, "DejaVu Sans", sans-serif; max-width: none;
  padding-left: 1.2rem; }
button { font: 13px system-ui, "DejaVu Sans", sans-serif; padding: .25rem .7rem; cursor: pointer;
  border: 1px solid #9a9a9a; border-radius: 5px; background: #fff; color: var(--ink); }
:focus-visible { outline: 2px solid #0072B2; outline-offset: 2px; }
@media (max-width: 62rem) {
  .layout { display: block; }
  nav { padding: 1rem 1rem 0; border-bottom: 1px solid var(--line); }
  nav .inner { position: static; max-height: none; }
  nav .families { display: none; }
  main { padding: 1rem 1rem 3rem; }
}
@media (max-width: 40rem) {
  body { font-size: 16px; }
  h1 { font-size: 1.5rem; }
}
@media print {
  body { font-size: 10.5pt; }
  nav, button { display: none; }
  .layout { display: block; }
  main { padding: 0; }
  a { color: inherit; }
}
"""

COMPONENTS = """
.mono { font: .86em ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.small, .source, figcaption, .versions { color: var(--soft); font-size: .86rem; }
table { border-collapse: collapse; width: 100%;
  font: 14px/1.4 system-ui, "DejaVu Sans", sans-serif; }
td .mono { white-space: nowrap; }
th, td { text-align: left; vertical-align: top; padding: .34rem .6rem .34rem 0;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); }
td.number { font-variant-numeric: tabular-nums; min-width: 7rem; }
tr.family th { padding-top: 1rem; color: var(--ink); }
.summary td { line-height: 1.55; }
.summary td + td { white-space: nowrap; }
.summary td + td:last-child { white-space: normal; }
.summary td:first-child { min-width: 15rem; }
.summary .scope { white-space: nowrap; font-variant-numeric: tabular-nums; }
.none, .scope { color: var(--soft); }
.scroll { overflow-x: auto; }
sub, sup { font-size: .74em; line-height: 0; }
.statement { border: 1px solid var(--line); border-radius: 8px; padding: 0 1.2rem;
  margin: .7rem 0; }
.statement[open] { padding-bottom: 1rem; }
.statement > summary { padding: .8rem 0 .7rem .2rem; margin-left: .9rem; }
.statement > summary h3 { font: 600 1.1rem/1.35 Charter, "Bitstream Charter", "Sitka Text", Cambria,
  Georgia, serif; margin: .1rem 0 .3rem; }
.statement .id { font: .8rem ui-monospace, "DejaVu Sans Mono", Menlo, monospace;
  color: var(--soft); }
.claim { background: var(--tint); border-radius: 6px; padding: .8rem 1rem; margin: .7rem 0;
  overflow-x: auto; font-size: 1.1em; }
dl.facts { display: grid; grid-template-columns: 6.2rem minmax(0, 1fr); gap: .3rem .8rem;
  margin: .7rem 0; }
dl.facts dt { color: var(--soft); font-size: .88rem; padding-top: .08rem; }
dl.facts dd { margin: 0; }
ul.plain { list-style: none; padding: 0; max-width: none; }
ul.plain > li { padding: .7rem 0 .4rem; border-top: 1px solid var(--line); }
ul.plain p { margin: .3rem 0; }
details { margin: .5rem 0; }
summary { cursor: pointer; font: 14px/1.5 system-ui, "DejaVu Sans", sans-serif; padding: .2rem 0; }
ul.notation { list-style: none; margin: .2rem 0; padding: 0 0 0 1rem; overflow-x: auto; }
ul.notation li { margin: .45rem 0; }
ol.steps { list-style: none; margin: .4rem 0; padding: 0; counter-reset: step; }
ol.steps > li { counter-increment: step; display: grid; padding: .55rem 0; gap: 0 .7rem;
  grid-template-columns: 1.9rem minmax(0, 1fr) 5.4rem; border-top: 1px solid var(--line); }
ol.steps > li::before { content: "(" counter(step) ")"; color: var(--soft); font-size: .88rem; }
.step-formula { overflow-x: auto; padding: .1rem 0; }
ol.steps > li > .badge { align-self: start; justify-self: end; }
.because, .given { color: var(--soft); font-size: .9rem; grid-column: 2; }
.given { font-size: .82rem; }
.math { display: inline-block; max-width: 100%; }
.math svg { fill: currentColor; overflow: visible; }
.math.display { display: block; }
.math.display .row { display: block; margin: .15rem 0; }
.glyphs { position: absolute; width: 0; height: 0; overflow: hidden; }
code.tex { white-space: pre-wrap; overflow-wrap: anywhere; }
figure { margin: 1rem 0 .4rem; }
figure img { display: block; width: 100%; max-width: 44rem; height: auto; }
figure.wide img { max-width: 100%; }
figcaption { max-width: 44rem; margin-top: .35rem; }
.badge { display: inline-block; font: 600 12px/1.5 system-ui, "DejaVu Sans", sans-serif;
  padding: .05rem .5rem; border-radius: 4px; border: 1px solid; white-space: nowrap; }
.proved { color: #004a75; background: #e3f0f8; border-color: #8cbcd8; }
.certified { color: #00563f; background: #dff2ec; border-color: #7fc4ae; }
.passed { color: #00563f; background: #fff; border-color: #7fc4ae; }
.assumed { color: #6d4700; background: #fdf3e0; border-color: #dcb469; }
.refuted { color: #4a3b57; background: #f0ebf4; border-color: #b6a3c6; }
.wrong { color: #fff; background: #a33c00; border-color: #a33c00; }
.unknown { color: #222; border: 1px dashed #222;
  background: repeating-linear-gradient(45deg, #fff 0 5px, #e4e4e4 5px 9px); }
pre { background: var(--tint); padding: .7rem .9rem; border-radius: 6px; overflow-x: auto;
  font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; margin: .4rem 0; }
@media (max-width: 40rem) {
  ol.steps > li { grid-template-columns: 1.9rem minmax(0, 1fr); }
  ol.steps > li > .badge { grid-column: 2; justify-self: start; order: 3; margin-top: .2rem; }
  dl.facts { display: block; }
  dl.facts dt { margin-top: .5rem; }
  figure.wide { overflow-x: auto; }
  figure.wide img { width: 46rem; max-width: none; }
  .summary thead, .summary td:has(> .none) { display: none; }
  .summary tr { display: block; padding: .4rem 0; border-bottom: 1px solid var(--line); }
  .summary td, .summary tr.family th { display: inline-block; border: 0; padding: 0 .8rem 0 0; }
  .summary td:first-child { display: block; }
  .summary td[data-on]::before { content: attr(data-on) ": "; color: var(--soft); }
  .statement { padding: 0 .8rem; }
}
@media print {
  .scroll { overflow: visible; }
  .summary { font-size: 8.5pt; }
  .summary td + td { white-space: normal; }
  .summary td:first-child { min-width: 0; }
  tr.family { break-after: avoid; }
  .statement { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: .6rem 0; }
  details::details-content { content-visibility: visible; block-size: auto; }
  summary { list-style: none; break-after: avoid; }
  summary::-webkit-details-marker { display: none; }
  figure, .claim, ol.steps > li, tr { break-inside: avoid; }
  pre { white-space: pre-wrap; overflow: visible; }
}
"""

CSS = _FRAME + COMPONENTS

# Paper shows what is folded away on the screen; without scripts only the folding works.
SCRIPT = """
const all = () => document.querySelectorAll('details');
const toggle = document.getElementById('toggle');
toggle.addEventListener('click', () => {
  const open = toggle.dataset.open !== 'yes';
  all().forEach(d => { d.open = open; });
  toggle.dataset.open = open ? 'yes' : 'no';
  toggle.textContent = open ? 'Fold everything' : 'Unfold everything';
});
let before = [];
addEventListener('beforeprint', () => { before = [...all()].map(d => d.open);
  all().forEach(d => { d.open = true; }); });
addEventListener('afterprint', () => { [...all()].forEach((d, i) => { d.open = before[i]; }); });
const reveal = () => { const t = document.getElementById(location.hash.slice(1));
  for (let d = t; d; d = d.parentElement) if (d.tagName === 'DETAILS') d.open = true;
  if (t) t.scrollIntoView(); };
addEventListener('hashchange', reveal); reveal();
"""

"use strict";
// The controls: which instance, context and window is shown, where the slider stands, and the
// words that go with it. Values come from the record in the page; none is computed.
(() => {
  const { number, probability, change, nearest } = explorer;
  const $ = (id) => document.getElementById(id);
  const record = explorer.decode(JSON.parse($("data").textContent));
  const state = { item: null, context: null, view: null, index: 0 };
  const shown = {};
  let timer = null;

  function fill(select, entries, chosen = 0) {
    select.replaceChildren(...entries.map((text, i) => new Option(text, String(i))));
    select.value = String(chosen);
    select.disabled = entries.length < 2;
  }
  function short(x) { return number(x).replace(/(\.\d*?)0+(?=×|$)/, "$1").replace(/\.(?=×|$)/, ""); }
  function average(context, x) {
    // An average that is 0 comes out as the rounding of its terms.
    const largest = Math.max(...Array.from(context.log_odds, Math.abs));
    return number(Math.abs(x) < 1e-12 * largest ? 0 : x);
  }
  function nats(x) { return x === 1 ? "1 nat" : `${x} nats`; }
  function swatch(colour) {
    const box = document.createElement("span");
    box.className = "swatch";
    box.style.background = colour;
    return box;
  }
  function text(id, value) { $(id).textContent = value; }

  // ---- what is shown -----------------------------------------------------------------------
  function choose_item(i) {
    state.item = record.cases[i];
    $("instance").value = String(i);
    text("story", state.item.story);
    text("note", state.item.note);
    fill($("context"), state.item.contexts.map((c) => c.name));
    fill($("view"), state.item.contexts[0].views.map((v) =>
      `${v.label}: ${short(v.low)} to ${short(v.high)}`));
    $("legend").replaceChildren(...state.item.concept_names.map((name, c) => {
      const entry = document.createElement("span");
      entry.append(swatch(explorer.colour(state.item, c)), name + (c === state.item.target ? " (target)" : ""));
      return entry;
    }), ...[["outline", "unsteered"], ["limit", "limit"]].map(([kind, name]) => {
      const entry = document.createElement("span");
      const box = swatch("transparent");
      box.classList.add(kind);
      entry.append(box, name);
      return entry;
    }));
    choose_context(0, 0, 0);
  }
  function choose_context(c, v, alpha) {
    state.context = state.item.contexts[c];
    state.view = state.context.views[v];
    const slider = $("alpha");
    slider.max = String(state.view.alpha.length - 1);
    draw();
    go(nearest(state.view.alpha, alpha));
  }
  function draw() {
    const { item, context, view } = state, budget = record.budgets[Number($("budget").value)];
    for (const name of ["bars", "tokens", "concepts", "price"]) {
      const element = $(`plot-${name}`);
      const picture = explorer[name](element, item, context, view, budget);
      if (shown[name]) discard(shown[name]);
      element.replaceChildren();
      shown[name] = { ...picture, drawn: Promise.resolve(Bokeh.Plotting.show(picture.plot, element)) };
    }
    set_window();
    head_table();
  }

  async function discard(old) {
    const view = await old.drawn;
    const at = Bokeh.documents.indexOf(old.plot.document);
    view.remove();
    if (at >= 0) Bokeh.documents.splice(at, 1);
  }
  async function point(name, event) {
    // A click into a curve plot moves the slider there, to the nearest node.
    const view = await shown[name].drawn;
    const x = event.clientX - view.el.getBoundingClientRect().left;
    const { left, right } = view.frame.bbox;
    if (x >= left && x <= right) go(nearest(state.view.alpha, view.frame.x_scale.invert(x)));
  }

  // ---- the slider --------------------------------------------------------------------------
  function go(index) {
    const { item, context, view } = state;
    state.index = Math.max(0, Math.min(index, view.alpha.length - 1));
    const i = state.index, alpha = view.alpha[i];
    $("alpha").value = String(i);
    $("alpha").setAttribute("aria-valuetext", `alpha ${number(alpha)}`);
    text("alpha-value", number(alpha));
    for (const name of Object.keys(shown)) shown[name].move(i);
    const T = item.target, name = item.concept_names[T];
    const all = [...view.probability.map((row) => row[i])];
    const first = all.indexOf(Math.max(...all));
    text("value-bars", `likeliest: ‘${context.tokens[first]}’ ${probability(all[first])}`);
    text("value-tokens", `average M = ${average(context, view.mean[i])}`);
    text("value-concepts", `p{${name}} = ${probability(view.concept[T][i])}`);
    text("value-price", `${number(view.cross_entropy[i])} nats`);
    const readout = [
      `Target {${name}}: ${probability(view.concept[T][i])}, unsteered ${probability(context.concept_base[T])}. `,
      `Price: ${number(view.cross_entropy[i])} nats, by the quadratic ${number(view.quadratic[i])}. `,
    ];
    const marks = landmarks().filter((mark) => mark.alpha === alpha).map((mark) => mark.text);
    const span = document.createElement("span");
    span.className = "mark";
    span.textContent = marks.length ? `Here: ${marks.join("; ")}.` : "";
    $("readout").replaceChildren(...readout, span);
    $("previous").disabled = i === 0;
    $("next").disabled = i === view.alpha.length - 1;
    body_table(i);
    for (const [plot, words] of [
      ["bars", `Bar chart: likeliest token ${context.tokens[first]}, ${probability(all[first])}`],
      ["tokens", `Curves of ${context.tokens.length} tokens against alpha`],
      ["concepts", `Curves of ${item.concept_names.length} concepts; target ${probability(view.concept[T][i])}`],
      ["price", `Cross-entropy ${number(view.cross_entropy[i])} nats, quadratic ${number(view.quadratic[i])}`],
    ]) $(`plot-${plot}`).setAttribute("aria-label", words);
  }
  function landmarks() {
    const { context } = state, w = context.windows;
    const level = Number($("level").value), budget = Number($("budget").value);
    return [...context.landmarks,
      { alpha: w.level_alpha[level], text: "the target is reached" },
      { alpha: w.budget_alpha[1][budget], text: "the budget is spent" },
      { alpha: w.budget_alpha[0][budget], text: "the budget is spent on the negative side" },
    ].filter((mark) => Number.isFinite(mark.alpha));
  }
  function step(direction) {
    const { view, index } = state, here = view.alpha[index];
    const inside = landmarks().map((m) => m.alpha)
      .filter((a) => a >= view.low && a <= view.high && direction * (a - here) > 0);
    const end = direction > 0 ? view.high : view.low;
    const next = inside.length ? (direction > 0 ? Math.min(...inside) : Math.max(...inside)) : end;
    go(nearest(view.alpha, next));
  }
  function play(on) {
    clearInterval(timer);
    timer = null;
    $("play").setAttribute("aria-pressed", String(on));
    text("play", on ? "Pause" : "Play");
    if (!on) return;
    if (state.index >= state.view.alpha.length - 1) go(0);
    timer = setInterval(() => {
      if (state.index >= state.view.alpha.length - 1) play(false);
      else go(state.index + 1);
    }, 60);
  }

  // ---- the strength window -----------------------------------------------------------------
  function set_window() {
    const { context } = state, w = context.windows;
    const l = Number($("level").value), b = Number($("budget").value);
    const level = record.levels[l], budget = record.budgets[b];
    const low = w.level_alpha[l], high = w.budget_alpha[1][b];
    const open = low <= high && Number.isFinite(low);
    shown.concepts.window(open ? low : 1, open ? high : 0, budget, level);
    shown.price.window(open ? low : 1, open ? high : 0, budget);
    const target = $("window"), strong = document.createElement(open ? "strong" : "span");
    let more = "";
    if (open) {
      strong.textContent = `α from ${number(low)} to ${number(high)}`;
      more = low === 0 ? " (reached without steering)" : `; the least price is ${number(w.level_cost[l])} nats`;
    } else {
      strong.className = "empty";
      strong.textContent = "no α does both: ";
      more = Number.isFinite(low)
        ? `${level * 100} % takes α = ${number(low)} and ${number(w.level_cost[l])} nats; ` +
          `${nats(budget)}, spent at α = ${number(high)}, ${budget === 1 ? "buys" : "buy"} ${probability(w.budget_probability[b])}`
        : w.reason[l];
    }
    target.replaceChildren(strong, more);
    const to = [open ? low : high].filter((a) => a >= state.view.low && a <= state.view.high);
    $("into").hidden = !to.length;
    $("into").textContent = open ? "go there" : "go to its end";
    $("into").onclick = () => go(nearest(state.view.alpha, to[0]));
  }

  // ---- the table ---------------------------------------------------------------------------
  function distinct(values) {
    // As many digits as it takes to tell different values apart, at least four.
    const all = Array.from(values);
    for (let digits = 4; digits < 17; digits++) {
      const texts = all.map((x) => Number(x.toPrecision(digits)));
      if (new Set(texts).size === new Set(all).size)
        return all.map((x) => (digits === 4 ? number(x) : x.toPrecision(digits).replace("-", "−")));
    }
    return all.map((x) => String(x).replace("-", "−"));
  }
  function row(cells, tag) {
    const tr = document.createElement("tr");
    for (const cell of cells) {
      const td = document.createElement(tag);
      if (tag === "th") td.scope = "col";
      td.append(...(Array.isArray(cell) ? cell : [cell]));
      tr.append(td);
    }
    return tr;
  }
  function head_table() {
    $("table").tHead.replaceChildren(row(["token", "concept", "log-odds M", "unsteered p", "p at α",
      "Δp at α", "peak at α =", "Δp there", "limit at −∞", "limit at +∞"], "th"));
  }
  function body_table(i) {
    const { item, context, view } = state;
    const odds = distinct(context.log_odds);
    const rows = context.tokens.map((token, z) => row([[swatch(explorer.colour(item, context.concept[z])), token],
      item.concept_names[context.concept[z]], odds[z],
      probability(context.base[z]), probability(view.probability[z][i]), change(view.increase[z][i]),
      number(context.peak[z]), change(context.peak_increase[z]), probability(context.limit[0][z]),
      probability(context.limit[1][z])], "td"));
    if (view.rest.length) rows.push(row([[swatch("#8A8A8A"), "others"], "", "", probability(context.rest_base),
      probability(view.rest[i]), change(view.rest[i] - context.rest_base), "", "", "", ""], "td"));
    $("table").tBodies[0].replaceChildren(...rows);
  }

  // ---- wiring ------------------------------------------------------------------------------
  Bokeh.set_log_level("warn");
  fill($("instance"), record.cases.map((item) => item.title));
  fill($("level"), record.levels.map((level) => `${level * 100} %`), record.level);
  fill($("budget"), record.budgets.map((budget) => nats(budget)), record.budget);
  $("instance").addEventListener("change", () => {
    play(false);
    choose_item(Number($("instance").value));
    history.replaceState(null, "", `#${state.item.key}`);
  });
  for (const id of ["context", "view"]) $(id).addEventListener("change", () => {
    play(false);
    choose_context(Number($("context").value), Number($("view").value), state.view.alpha[state.index]);
  });
  $("level").addEventListener("change", () => { set_window(); go(state.index); });
  $("budget").addEventListener("change", () => { draw(); go(state.index); });
  $("alpha").addEventListener("input", () => { play(false); go(Number($("alpha").value)); });
  $("previous").addEventListener("click", () => { play(false); step(-1); });
  $("next").addEventListener("click", () => { play(false); step(1); });
  $("zero").addEventListener("click", () => { play(false); go(nearest(state.view.alpha, 0)); });
  $("play").addEventListener("click", () => play(timer === null));
  for (const name of ["tokens", "concepts", "price"])
    $(`plot-${name}`).addEventListener("click", (event) => { play(false); point(name, event); });
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    // Labels are placed for a width: another one needs other places.
    if (Math.abs(window.innerWidth - width) < 40) return;
    width = window.innerWidth;
    draw();
    go(state.index);
  });
  if (window.matchMedia("(max-width: 900px)").matches) $("values").open = false;
  const asked = () => record.cases.findIndex((item) => `#${item.key}` === location.hash);
  window.addEventListener("hashchange", () => { if (asked() >= 0) { play(false); choose_item(asked()); } });
  choose_item(Math.max(asked(), 0));
  document.documentElement.dataset.ready = "yes";
})();

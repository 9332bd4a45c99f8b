"use strict";
// The four pictures. Each function draws one from the looked-up record and returns what moves.
// No law is computed here: only look-ups, text, and where things go on the screen.
const explorer = {};

(() => {
  const night = matchMedia("(prefers-color-scheme: dark)");
  const [INK, SOFT, GRID, PAPER, AXIS, GREEN, WINDOW] = night.matches
    ? ["#E4E5E7", "#A8ADB5", "#33373E", "#15171B", "#7C828B", "#3FBF97", "#56B4E9"]
    : ["#222222", "#555555", "#E6E6E6", "#FFFFFF", "#8A8A8A", "#007A5A", "#0072B2"];
  night.addEventListener("change", () => location.reload());
  const FONT = 'system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
  // As values: a bare array would be taken for a column of data.
  const DASHES = [[], [7, 3], [2, 2], [7, 2, 2, 2], [4, 4]].map((value) => ({ value }));

  // ---- numbers as text ---------------------------------------------------------------------
  const RAISED = { "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶",
    "7": "⁷", "8": "⁸", "9": "⁹" };
  function pretty(text) {
    const [digits, power] = text.split("e");
    const shown = digits.replace("-", "−");
    if (power === undefined) return shown;
    const raised = power.replace("+", "").split("").map((c) => RAISED[c]).join("");
    return `${shown}×10${raised}`;
  }
  function number(x) {
    if (Number.isNaN(x)) return "none";
    if (!Number.isFinite(x)) return x > 0 ? "+∞" : "−∞";
    if (x === 0) return "0";
    const size = Math.abs(x);
    return pretty(size >= 1e5 || size < 1e-4 ? x.toExponential(3) : x.toPrecision(4));
  }
  function exact(x) {
    // Ten digits, for those who point at a curve.
    return Number.isFinite(x) && x !== 0 ? pretty(String(Number(x.toPrecision(10)))) : number(x);
  }
  function probability(p) {
    return p === 0 || p >= 5e-5 ? p.toFixed(4) : pretty(p.toExponential(2));
  }
  function change(x) {
    const size = Math.abs(x);
    const text = size === 0 || size >= 5e-5 ? size.toFixed(4) : pretty(size.toExponential(2));
    return (x < 0 ? "−" : "+") + text;
  }

  // ---- data --------------------------------------------------------------------------------
  // Arrays travel as base64 of little-endian doubles: what is shown is what was computed.
  function decode(node) {
    if (Array.isArray(node)) return node.map(decode);
    if (node === null || typeof node !== "object") return node;
    if (typeof node.f64 === "string") {
      const bytes = Uint8Array.from(atob(node.f64), (c) => c.charCodeAt(0));
      const all = new Float64Array(bytes.buffer);
      if (node.shape.length === 1) return all;
      const [rows, width] = node.shape;
      return Array.from({ length: rows }, (_, i) => all.subarray(i * width, (i + 1) * width));
    }
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, decode(value)]));
  }
  function nearest(values, x) {
    let best = 0;
    for (let i = 1; i < values.length; i++)
      if (Math.abs(values[i] - x) < Math.abs(values[best] - x)) best = i;
    return best;
  }
  function ends(rows, low, high) {
    for (const row of rows) for (const x of row) if (Number.isFinite(x)) {
      if (x < low) low = x;
      if (x > high) high = x;
    }
    return [low, high];
  }

  // ---- shared looks ------------------------------------------------------------------------
  function figure(x, y, label) {
    const plot = Bokeh.Plotting.figure({
      x_range: new Bokeh.Range1d({ start: x[0], end: x[1] }),
      y_range: new Bokeh.Range1d({ start: y[0], end: y[1] }),
      sizing_mode: "stretch_both", toolbar_location: null, tools: [], min_border_top: 4,
      min_border_right: 8, outline_line_color: null, background_fill_color: PAPER,
      border_fill_color: PAPER,
    });
    for (const axis of [plot.xaxis, plot.yaxis].flat()) {
      axis.axis_label_text_font = FONT;
      axis.axis_label_text_font_style = "normal";
      axis.axis_label_text_font_size = "12px";
      axis.axis_label_text_color = INK;
      axis.axis_label_standoff = 3;
      axis.major_label_text_font = FONT;
      axis.major_label_text_font_size = "11px";
      axis.major_label_text_color = INK;
      axis.axis_line_color = AXIS;
      axis.major_tick_line_color = AXIS;
      axis.minor_tick_line_color = null;
      axis.major_tick_in = 0;
    }
    plot.xaxis.axis_label = label;
    plot.xgrid.grid_line_color = null;
    plot.ygrid.grid_line_color = GRID;
    return plot;
  }
  function rule(plot, dimension, location, options) {
    const span = new Bokeh.Span({ dimension, location, line_color: AXIS, line_width: 1,
      level: "underlay", ...options });
    plot.add_layout(span);
    return span;
  }
  function strip(plot, left, right, alpha, color = GREEN) {
    const box = new Bokeh.BoxAnnotation({ left, right, fill_color: color, fill_alpha: alpha,
      line_color: null, level: "underlay", editable: false });
    plot.add_layout(box);
    return box;
  }
  function hover(plot, renderers, rows) {
    // Columns come escaped from Bokeh; its own layout, always on white, has labels too pale to read.
    const tooltips = rows.map(([name, column]) => `<div style="color:#222;font:12px ${FONT.replaceAll('"', "'")}">`
      + `<span style="color:#555">${name}</span> ${column}</div>`).join("");
    plot.add_tools(new Bokeh.HoverTool({ renderers, tooltips, line_policy: "nearest",
      point_policy: "snap_to_data", mode: "mouse" }));
  }
  // Labels at the wished points, moved aside until none covers another and as little of a curve as
  // can be; what cannot be placed stays unnamed (hovering names every curve).
  function labels(plot, element, wishes, x, y, alpha, curves) {
    const width = Math.max(element.clientWidth - 74, 120);
    const height = Math.max(element.clientHeight - 54, 80);
    const taken = [], placed = { x: [], y: [], text: [], color: [], dx: [], dy: [], align: [] };
    const moves = [[0, 12], [0, -13], [16, 9], [-16, 9], [18, -11], [-18, -11], [0, 22], [0, -24],
      [24, 0], [-24, 0], [30, 18], [-30, 18], [30, -20], [-30, -20]];
    const ink = drawn(curves.map((row) => Array.from(row, (v, i) => [
      (alpha[i] - x[0]) / (x[1] - x[0]) * width, (v - y[0]) / (y[1] - y[0]) * height])));
    const zero = -x[0] / (x[1] - x[0]) * width;  // the rule at 0 counts as a curve
    for (let v = 0; v < height; v += 5) ink.push([zero, v]);
    for (const wish of wishes) {
      const sx = (wish.x - x[0]) / (x[1] - x[0]) * width;
      const sy = (wish.y - y[0]) / (y[1] - y[0]) * height;
      const long = 6.6 * wish.text.length + 4;
      const align = sx < long / 2 ? "left" : sx > width - long / 2 ? "right" : "center";
      const shift = { left: 3, center: 0, right: -3 }[align];
      let best = null;
      for (const [dx, dy] of moves) {
        const left = sx + dx + shift - { left: 0, center: long / 2, right: long }[align];
        const box = [left, left + long, sy + dy - 7, sy + dy + 7];
        const free = taken.every((t) => box[1] < t[0] || box[0] > t[1] || box[3] < t[2] || box[2] > t[3]);
        if (!free || box[0] < 0 || box[1] > width + 6 || box[2] < 0 || box[3] > height + 2) continue;
        const covered = ink.filter(([a, b]) => a > box[0] && a < box[1] && b > box[2] && b < box[3]).length;
        if (!best || covered < best.covered) best = { box, dx, dy, covered };
        if (covered === 0) break;
      }
      if (!best) continue;
      taken.push(best.box);
      placed.x.push(wish.x); placed.y.push(wish.y); placed.text.push(wish.text);
      placed.color.push(wish.color); placed.dx.push(best.dx + shift); placed.dy.push(best.dy);
      placed.align.push(align);
    }
    for (const align of ["left", "center", "right"]) {
      const keep = placed.align.map((a) => a === align);
      const data = Object.fromEntries(Object.entries(placed)
        .map(([key, column]) => [key, column.filter((_, i) => keep[i])]));
      const source = new Bokeh.ColumnDataSource({ data });
      plot.add_layout(new Bokeh.LabelSet({ source, x: { field: "x" }, y: { field: "y" },
        text: { field: "text" }, x_offset: { field: "dx" }, y_offset: { field: "dy" },
        text_color: { field: "color" }, text_align: align, text_baseline: "middle",
        text_font: { value: FONT }, text_font_size: { value: "11.5px" },
        background_fill_color: { value: PAPER }, background_fill_alpha: { value: 0.75 },
        text_font_style: "bold" }));
    }
  }
  // The points of curves in pixels, close enough to each other that no label fits between two.
  function drawn(curves) {
    const points = [];
    for (const curve of curves) for (let i = 1; i < curve.length; i++) {
      const [a, b] = curve[i - 1], [c, d] = curve[i];
      const parts = Math.min(40, Math.ceil(Math.max(Math.abs(c - a), Math.abs(d - b)) / 5)) || 1;
      for (let k = 0; k < parts; k++) points.push([a + (c - a) * k / parts, b + (d - b) * k / parts]);
    }
    return points;
  }
  function moving(plot, count, colours) {
    const source = new Bokeh.ColumnDataSource({ data: { x: Array(count).fill(0),
      y: Array(count).fill(0), color: colours } });
    plot.scatter({ x: { field: "x" }, y: { field: "y" }, source, size: 9,
      fill_color: { field: "color" }, line_color: PAPER, line_width: 1.2 });
    return source;
  }
  function range(view) { return [view.low, view.high]; }
  function padded([low, high], below, above) {
    const gap = high > low ? high - low : 1;
    return [low - below * gap, high + above * gap];
  }
  const colour = (item, c) => item.colours[c][night.matches ? 2 : 0];
  const dark = (item, c) => item.colours[c][night.matches ? 2 : 1];

  // ---- bars --------------------------------------------------------------------------------
  function slots(context) { return Array.from(context.log_odds, (_, z) => z); }
  function slot(context, mean) {
    // Where a value of M lies among the bars; bars that tie share the middle of theirs.
    const M = context.log_odds, last = M.length - 1;
    const middle = (m) => { let s = 0, n = 0; M.forEach((x, z) => { if (x === m) { s += z; n++; } }); return s / n; };
    if (mean <= M[0]) return middle(M[0]);
    if (mean >= M[last]) return middle(M[last]);
    let z = 0;
    while (M[z + 1] < mean) z++;
    const [a, b] = [M[z], M[z + 1]];
    return middle(a) + (middle(b) - middle(a)) * (mean - a) / (b - a);
  }
  explorer.bars = (element, item, context, view) => {
    const at = slots(context), n = at.length, rest = view.rest.length > 0;
    const names = rest ? [...context.tokens, "others"] : context.tokens;
    const place = rest ? [...at, n + 0.35] : at;
    const colours = [...context.concept.map((c) => colour(item, c)), ...(rest ? [AXIS] : [])];
    const top = ends([...view.probability, ...(rest ? [view.rest] : [])], 0, 1e-9)[1];
    const plot = figure([-0.7, place[place.length - 1] + 0.7], [-0.085 * top, 1.06 * top], null);
    plot.yaxis.axis_label = "probability";
    plot.xaxis.ticker = new Bokeh.FixedTicker({ ticks: place });
    const long = Math.max(...names.map((t) => t.length)) * 6.5 > element.clientWidth / (n + 1);
    const largest = Math.max(...Array.from(context.log_odds, Math.abs));
    const odds = (z) => {
      if (z === n) return "";
      const m = context.log_odds[z];
      return (m > 0 ? "+" : "") + (largest < 0.1 || largest >= 1e4 ? number(m) : pretty(m.toFixed(2)));
    };
    plot.xaxis.major_label_overrides = new Map(place.map((x, z) =>
      [x, long || n > 11 ? names[z] : `${names[z]}\n${odds(z)}`]));
    if (long) plot.xaxis.major_label_orientation = 0.6;
    plot.xaxis.axis_label = long || n > 11 ? null : "token, and its log-odds M";
    const base = rest ? [...context.base, context.rest_base] : Array.from(context.base);
    const source = new Bokeh.ColumnDataSource({ data: { x: place, p: base.slice(), base, name: names,
      color: colours, odds: names.map((_, z) => (z < n ? exact(context.log_odds[z]) : "several")), text: names.map(() => ""),
      before: base.map(exact) } });
    const bars = plot.vbar({ x: { field: "x" }, top: { field: "p" }, bottom: 0, width: 0.76, source,
      fill_color: { field: "color" }, line_color: null });
    plot.vbar({ x: { field: "x" }, top: { field: "base" }, bottom: 0, width: 0.76, source,
      fill_color: null, line_color: INK, line_width: 1, line_dash: { value: [3, 2] } });
    // Where each bar is bound for, on the side on which the slider stands.
    const ends_at = context.limit.map((row) => at.filter((z) => row[z] > 0));
    const bound = new Bokeh.ColumnDataSource({ data: { a: [], b: [], y: [] } });
    plot.segment({ x0: { field: "a" }, x1: { field: "b" }, y0: { field: "y" }, y1: { field: "y" },
      source: bound, line_color: INK, line_width: 2, line_dash: { value: [2, 3] } });
    const mean = new Bokeh.ColumnDataSource({ data: { x: [0], y: [-0.042 * top] } });
    plot.scatter({ x: { field: "x" }, y: { field: "y" }, source: mean, marker: { value: "triangle" },
      size: 11, fill_color: INK, line_color: null });
    hover(plot, [bars], [["token", "@name"], ["log-odds M", "@odds"], ["probability", "@text"],
      ["unsteered", "@before"]]);
    return { plot, move(i) {
      const p = view.probability.map((row) => row[i]);
      if (rest) p.push(view.rest[i]);
      source.data = { ...source.data, p, text: p.map(exact) };
      const side = view.alpha[i] < 0 ? 0 : 1;
      bound.data = { a: ends_at[side].map((z) => z - 0.44), b: ends_at[side].map((z) => z + 0.44),
        y: ends_at[side].map((z) => context.limit[side][z]) };
      mean.data = { x: [slot(context, view.mean[i])], y: [-0.042 * top] };
    } };
  };

  // ---- curves over alpha -------------------------------------------------------------------
  function curve(plot, view, values, text, options) {
    const source = new Bokeh.ColumnDataSource({ data: { x: Array.from(view.alpha),
      y: Array.from(values), alpha: Array.from(view.alpha, exact), ...text } });
    return plot.line({ x: { field: "x" }, y: { field: "y" }, source, line_width: 2, ...options });
  }
  function limits(plot, view, heights, colours) {
    // The limit at +inf over the right half, that at -inf over the left one.
    heights.forEach((row, side) => row.forEach((y, k) => {
      const [a, b] = side === 1 ? [Math.max(0, view.low), view.high] : [view.low, Math.min(0, view.high)];
      plot.line({ x: [a, b], y: [y, y], line_color: colours[k], line_width: 1.3, line_dash: { value: [1, 4] } });
    }));
  }
  function peak_of(view, values) {
    let best = 0;
    values.forEach((y, i) => { if (y > values[best]) best = i; });
    if (values[best] <= 1e-12) values.forEach((y, i) => { if (y < values[best]) best = i; });
    return best;
  }

  explorer.tokens = (element, item, context, view) => {
    const y = padded(ends(view.increase, 0, 0), 0.06, 0.2);
    const plot = figure(range(view), y, "strength α");
    plot.yaxis.axis_label = "Δp(z | α)";
    rule(plot, "width", 0); rule(plot, "height", 0);
    const colours = context.concept.map((c) => colour(item, c));
    const kept = context.limit.map((row, side) => Array.from(row,
      (p, z) => (p > 0 ? p - context.base[z] : NaN)));
    limits(plot, view, kept, colours);
    const lines = view.increase.map((row, z) => curve(plot, view, row, {
      name: Array(row.length).fill(context.tokens[z]), change: Array.from(row, exact),
      p: Array.from(view.probability[z], exact),
    }, { line_color: colours[z], line_dash: DASHES[context.concept[z] % DASHES.length] }));
    const peaks = { x: [], y: [], name: [], alpha: [], change: [], color: [] };
    context.peak.forEach((a, z) => {
      if (!(a > view.low && a < view.high)) return;
      peaks.x.push(a); peaks.y.push(context.peak_increase[z]); peaks.name.push(context.tokens[z]);
      peaks.alpha.push(exact(a)); peaks.change.push(exact(context.peak_increase[z]));
      peaks.color.push(colours[z]);
    });
    const source = new Bokeh.ColumnDataSource({ data: peaks });
    const marks = plot.scatter({ x: { field: "x" }, y: { field: "y" }, source, size: 9,
      marker: { value: "inverted_triangle" }, fill_color: { field: "color" }, line_color: PAPER });
    hover(plot, lines, [["token", "@name"], ["α", "@alpha"], ["Δp", "@change"], ["p", "@p"]]);
    hover(plot, [marks], [["peak of", "@name"], ["α", "@alpha"], ["Δp", "@change"]]);
    const span = y[1] - y[0];
    const wishes = view.increase.map((row, z) => {
      const i = peak_of(view, row);
      return { x: view.alpha[i], y: row[i], text: context.tokens[z],
        color: dark(item, context.concept[z]), size: Math.abs(row[i]),
        least: context.concept[z] === item.target ? 0.001 : 0.05 };
    }).filter((wish) => wish.size > wish.least * span).sort((a, b) => b.size - a.size);
    labels(plot, element, wishes, range(view), y, view.alpha, view.increase);
    const now = moving(plot, lines.length, colours);
    const here = rule(plot, "height", 0, { line_color: INK, level: "overlay" });
    return { plot, move(i) {
      here.location = view.alpha[i];
      now.data = { ...now.data, x: colours.map(() => view.alpha[i]),
        y: view.increase.map((row) => row[i]) };
    } };
  };

  explorer.concepts = (element, item, context, view) => {
    const y = padded([0, ends(view.concept, 0, 0.02)[1]], 0.06, 0.14);
    const plot = figure(range(view), y, "strength α");
    plot.yaxis.axis_label = "probability F(α)";
    rule(plot, "width", 0); rule(plot, "height", 0);
    const colours = item.concept_names.map((_, c) => colour(item, c));
    limits(plot, view, context.concept_limit.map((row) => Array.from(row)), colours);
    const window = strip(plot, 0, 0, 0.13, WINDOW);
    const level = rule(plot, "width", 0, { line_color: WINDOW, line_dash: [6, 3] });
    const lines = view.concept.map((row, c) => curve(plot, view, row, {
      name: Array(row.length).fill(item.concept_names[c]), p: Array.from(row, exact),
      change: Array.from(view.concept_increase[c], exact),
    }, { line_color: colours[c], line_dash: DASHES[c % DASHES.length],
      line_width: c === item.target ? 2.6 : 2 }));
    const turns = { x: [], y: [], name: [], alpha: [], color: [] };
    context.turns.forEach((points, c) => points.forEach((a) => {
      if (!(a > view.low && a < view.high)) return;
      turns.x.push(a); turns.y.push(view.concept[c][nearest(view.alpha, a)]);
      turns.name.push(item.concept_names[c]); turns.alpha.push(exact(a)); turns.color.push(colours[c]);
    }));
    const source = new Bokeh.ColumnDataSource({ data: turns });
    const marks = plot.scatter({ x: { field: "x" }, y: { field: "y" }, source, size: 10,
      marker: { value: "diamond" }, fill_color: { field: "color" }, line_color: PAPER });
    hover(plot, lines, [["concept", "@name"], ["α", "@alpha"], ["probability", "@p"], ["change per token", "@change"]]);
    hover(plot, [marks], [["extremum of", "@name"], ["α", "@alpha"]]);
    labels(plot, element, view.concept.map((row, c) => {
      const i = peak_of(view, row);
      return { x: view.alpha[i], y: row[i], text: item.concept_names[c], color: dark(item, c) };
    }), range(view), y, view.alpha, view.concept);
    const now = moving(plot, lines.length, colours);
    const here = rule(plot, "height", 0, { line_color: INK, level: "overlay" });
    return { plot, move(i) {
      here.location = view.alpha[i];
      now.data = { ...now.data, x: colours.map(() => view.alpha[i]),
        y: view.concept.map((row) => row[i]) };
    }, window(low, high, budget, height) {
      window.left = low; window.right = high; window.visible = low <= high;
      level.location = height; level.visible = height > y[0] && height < y[1];
    } };
  };

  explorer.price = (element, item, context, view, budget) => {
    // What costs several times the budget is of no interest, and would squeeze what does not.
    const top = Math.min(ends([view.cross_entropy], 0, 1e-12)[1], 3 * budget);
    const y = [-0.04 * top, 1.12 * top];
    const plot = figure(range(view), y, "strength α");
    plot.yaxis.axis_label = "ΔCE(α), nats";
    rule(plot, "width", 0); rule(plot, "height", 0);
    const cut = (values) => Array.from(values, (v) => Math.min(v, 2 * top));
    const alpha = Array.from(view.alpha);
    const band = new Bokeh.ColumnDataSource({ data: { x: alpha, low: cut(view.lower), high: cut(view.upper) } });
    plot.varea({ x: { field: "x" }, y1: { field: "low" }, y2: { field: "high" }, source: band,
      fill_color: GREEN, fill_alpha: 0.06 });
    for (const edge of ["low", "high"])
      plot.line({ x: { field: "x" }, y: { field: edge }, source: band, line_color: GREEN, line_width: 1 });
    if (Number.isFinite(context.radius)) strip(plot, -context.radius, context.radius, 0.9).top = 0;
    const window = strip(plot, 0, 0, 0.13, WINDOW);
    const budget_line = rule(plot, "width", 0, { line_color: WINDOW, line_dash: [6, 3] });
    const text = (name, values) => ({ name: Array(values.length).fill(name), nats: Array.from(values, exact) });
    const lines = [];
    const several = view.average.some((v, i) => Math.abs(v - view.cross_entropy[i]) > 1e-9 * top);
    lines.push(curve(plot, view, cut(view.asymptote), text("asymptote", view.asymptote),
      { line_color: SOFT, line_dash: { value: [1, 4] }, line_width: 1.4 }));
    if (several) lines.push(curve(plot, view, view.average, text("average over the contexts", view.average),
      { line_color: AXIS, line_width: 1.4 }));
    lines.push(curve(plot, view, cut(view.quadratic), text("quadratic", view.quadratic),
      { line_color: SOFT, line_dash: { value: [6, 4] }, line_width: 1.6 }));
    lines.push(curve(plot, view, view.cross_entropy, text("this context", view.cross_entropy),
      { line_color: INK, line_width: 2.4 }));
    hover(plot, lines, [["curve", "@name"], ["α", "@alpha"], ["nats", "@nats"]]);
    const inside = (values, share) => {
      let best = -1;
      values.forEach((v, i) => { if (view.alpha[i] > 0 && v <= share * top) best = i; });
      return best;
    };
    const wishes = [["exact", view.cross_entropy, 0.55, INK], ["quadratic", view.quadratic, 0.85, SOFT],
      ...(several ? [["average", view.average, 0.3, SOFT]] : [])].map(([name, values, share, color]) => {
      const i = inside(values, share);
      return i < 0 ? null : { x: view.alpha[i], y: values[i], text: name, color };
    }).filter(Boolean);
    labels(plot, element, wishes, range(view), y, view.alpha,
      [view.cross_entropy, view.quadratic, view.average, view.asymptote, view.lower, view.upper].map(cut));
    const now = moving(plot, 2, [SOFT, INK]);
    const here = rule(plot, "height", 0, { line_color: INK, level: "overlay" });
    return { plot, move(i) {
      here.location = view.alpha[i];
      now.data = { ...now.data, x: [view.alpha[i], view.alpha[i]],
        y: [view.quadratic[i], view.cross_entropy[i]].map((v) => (v <= y[1] ? v : NaN)) };
    }, window(low, high, budget) {
      window.left = low; window.right = high; window.visible = low <= high;
      budget_line.location = budget; budget_line.visible = budget < y[1];
    } };
  };

  Object.assign(explorer, { colour, decode, number, probability, change, nearest });
})();

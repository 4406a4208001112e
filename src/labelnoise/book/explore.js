// Shows the states that stand in the page: choices at the top, what is on record below. It asks nothing of any host.
"use strict";
(() => {
  const root = document.getElementById("explore");
  const page = JSON.parse(document.getElementById("explore-states").textContent);
  document.documentElement.classList.add("explore-runs");

  const LABELS = {
    dataset: "Data set", kind: "Noise", rate: "Noise rate", model: "Network", method: "Method",
    estimator: "Estimate of T",
  };
  const FIELDS = Object.keys(LABELS);
  const OF_CELL = FIELDS.slice(0, 4); // the others are chosen from what a cell has
  const DIFFERENCE_LIMIT = 0.2; // where the colour of a difference is strongest
  const DEEPEST = 0.6; // opacity of the strongest colour, so that numbers stay legible on it
  const MINUS = "\u2212";

  // Elements and text.

  /** An element with properties and children; text is never read as HTML. */
  function make(tag, properties = {}, ...children) {
    const { style = {}, ...others } = properties;
    const element = Object.assign(document.createElement(tag), others);
    for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
    element.append(...children);
    return element;
  }

  const escaped = (text) => make("i", { textContent: text }).innerHTML.replaceAll('"', "&quot;");

  /** A number with a sign, a real minus and no negative zero. */
  function signed(value, digits) {
    const text = Math.abs(value).toFixed(digits);
    if (Number(text) === 0) return text;
    return (value < 0 ? MINUS : "+") + text;
  }

  const withSpread = ([mean, deviation]) => mean.toFixed(1) + (deviation === null ? "" : `\u00a0±\u00a0${deviation.toFixed(1)}`);

  const title = (field, value) => page.choices[field].find(([known]) => known === value)[1];

  // What is chosen. A wish that a cell can't fulfil is kept for the next cell that can.

  const wish = { ...page.start };

  /** The choices as they can be shown, with the cell that they lead to, and the values of each that are on record. */
  function settle() {
    const chosen = {}, offered = {};
    let cells = page.cells;
    for (const field of FIELDS) {
      const known = OF_CELL.includes(field) ? cells.map((cell) => cell[field]) : Object.keys(cells[0][`${field}s`]);
      offered[field] = new Set(known);
      const wanted = [wish[field], page.start[field], ...page.choices[field].map(([value]) => value)];
      chosen[field] = wanted.find((value) => offered[field].has(value));
      if (OF_CELL.includes(field)) cells = cells.filter((cell) => cell[field] === chosen[field]);
    }
    return { chosen, offered, cell: cells[0] };
  }

  function readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const field of FIELDS) if (asked.has(field)) wish[field] = asked.get(field);
  }

  // The parts of the page.

  /** A square matrix as a table with coloured cells: clean classes down, noisy ones across. */
  function heatmap(caption, matrix, classes, difference) {
    const many = classes.length > 4;
    const entry = (value) => {
      const share = Math.min(1, Math.abs(value) / (difference ? DIFFERENCE_LIMIT : 1)) * DEEPEST;
      const text = difference ? signed(100 * value, many ? 0 : 1) : value.toFixed(2);
      const shown = many ? text.replace("0.", ".") : text; // ten columns fit a phone
      return make("td", { className: value < 0 ? "negative" : "", style: { "--share": share.toFixed(3) } }, shown);
    };
    const heads = classes.map((name) => make("th", { scope: "col" }, name));
    const rows = matrix.map((row, i) => make("tr", {}, make("th", { scope: "row" }, classes[i]), ...row.map(entry)));
    const table = make(
      "table", { className: many ? "matrix many" : "matrix" }, make("caption", {}, caption),
      make("thead", {}, make("tr", {}, make("td"), ...heads)), make("tbody", {}, ...rows),
    );
    return scrolled(table, caption);
  }

  /** A box in which a table that is too wide for the screen is scrolled, with the keyboard too. */
  const scrolled = (table, label) => make("div", { className: "scrolled", role: "group", ariaLabel: label }, table);

  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  /** The curves of cross-entropy with the seeds of a method. */
  function plainCurves(cell, method) {
    const { seeds, curves } = cell.methods["cross-entropy"];
    return cell.methods[method].seeds.map((seed) => curves[seeds.indexOf(seed)]);
  }

  const meanCurve = (curves) => curves[0].map((_, epoch) => mean(curves.map((curve) => curve[epoch])));

  /** Round numbers between low and high, about as many as asked for. */
  function ticks(low, high, count) {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
    const first = Math.ceil(low / step), last = Math.floor(high / step + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, k) => Number(((first + k) * step).toFixed(6)));
  }

  /** Accuracy over epochs as SVG: a thin line a seed, a thick one at their mean. */
  function plot(arms, ceiling, label, width) {
    const height = 300, left = 44, right = 8, top = 8, bottom = 40;
    const values = arms.flatMap(({ curves }) => curves.flat()).concat(ceiling ?? []);
    const epochs = Math.max(...arms.map(({ curves }) => curves[0].length));
    const pad = 0.05 * (Math.max(...values) - Math.min(...values)) || 1;
    const low = Math.min(...values) - pad, high = Math.max(...values) + pad;
    const x = (epoch) => left + ((epoch - 1) / Math.max(1, epochs - 1)) * (width - left - right);
    const y = (value) => top + ((high - value) / (high - low)) * (height - top - bottom);
    const path = (curve) => curve.map((value, k) => `${x(k + 1).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    const across = (at, name) => `<line class="${name}" x1="${left}" x2="${width - right}" y1="${y(at)}" y2="${y(at)}"/>`;
    const parts = [
      ...ticks(low, high, 6).map((at) => across(at, "grid") + `<text x="${left - 6}" y="${y(at) + 4}" text-anchor="end">${at}</text>`),
      ...ticks(1, epochs, Math.min(epochs, 10)).filter(Number.isInteger)
        .map((at) => `<text x="${x(at)}" y="${height - bottom + 18}" text-anchor="middle">${at}</text>`),
      `<text x="${(left + width) / 2}" y="${height - 4}" text-anchor="middle">epoch</text>`,
      ceiling === null ? "" : across(ceiling, "ceiling"),
      ...arms.flatMap(({ curves, name }) => curves.map((c) => `<polyline class="line seed ${name}" points="${path(c)}"/>`)),
      ...arms.map(({ curves, name }) => `<polyline class="line mean ${name}" points="${path(meanCurve(curves))}"/>`),
    ];
    const size = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
    return `<svg role="img" aria-label="${escaped(label)}" ${size}>${parts.join("")}</svg>`;
  }

  const key = (name, text) => {
    const sample = `<svg aria-hidden="true" width="36" height="12"><line class="line ${name}" x2="36" y1="6" y2="6"/></svg>`;
    return make("li", {}, ...make("i", { innerHTML: sample }).childNodes, text);
  };

  function table(caption, heads, rows) {
    const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
    const body = rows.map(([first, ...others]) =>
      make("tr", {}, make("th", { scope: "row" }, first), ...others.map((text) => make("td", {}, text))));
    return make(
      "table", { className: "values" }, make("caption", {}, caption), make("thead", {}, head),
      make("tbody", {}, ...body),
    );
  }

  function gainText([gain, low, high]) {
    return signed(gain, 1) + (low === null ? " (one seed, so no interval)" : ` (${signed(low, 1)}\u00a0to\u00a0${signed(high, 1)})`);
  }

  /** What is shown, as sentences that are read out when a choice changes. */
  function told({ chosen, cell }) {
    const method = cell.methods[chosen.method], estimator = cell.estimators[chosen.estimator];
    const { accuracy, plain, gain } = method.last, n = method.seeds.length;
    const name = title("method", chosen.method);
    let text = `${title("dataset", cell.dataset)}, noise ${cell.title}, ${title("model", cell.model)}: after the last epoch ` +
      `${name} has ${accuracy[0].toFixed(1)} % of the test images right`;
    if (!gain) text += ` (n = ${n}). `;
    else {
      const range = gain[1] === null ? "one seed, so no interval"
        : `95 % interval ${signed(gain[1], 1)} to ${signed(gain[2], 1)}, n = ${n}`;
      text += ` and cross-entropy ${plain[0].toFixed(1)} %: paired by seed, ${signed(gain[0], 1)} points (${range}). `;
    }
    const isOracle = chosen.estimator === "oracle";
    text += `T by ${isOracle ? "the oracle" : title("estimator", chosen.estimator)} has a mean relative L1 error of ` +
      `${estimator.error.toFixed(3)} (n = ${estimator.n})`;
    if (isOracle) return `${text}; no estimate from noisy labels alone can be expected to have less.`;
    return `${text}; the oracle, the limit, has ${cell.estimators.oracle.error.toFixed(3)}.`;
  }

  function matrices({ chosen, cell }) {
    const { mean: estimate, truth, n } = cell.estimators[chosen.estimator], classes = page.classes[cell.dataset];
    const difference = estimate.map((row, i) => row.map((value, j) => value - truth[i][j]));
    const text = "Rows are clean classes, columns noisy ones. " +
      `The estimated T is the mean of ${n} by ${title("estimator", chosen.estimator)}; differences are in hundredths.`;
    const tables = [
      heatmap("true T", truth, classes, false), heatmap("estimated T", estimate, classes, false),
      heatmap("estimated less true", difference, classes, true),
    ];
    return [make("p", {}, text), make("div", { className: "matrices" }, ...tables)];
  }

  function accuracy({ chosen, cell }) {
    const method = cell.methods[chosen.method], name = title("method", chosen.method);
    const n = method.seeds.length, isPlain = !method.last.gain;
    const arms = [{ name: "method", title: name, curves: method.curves }];
    if (!isPlain) arms.unshift({ name: "plain", title: "cross-entropy", curves: plainCurves(cell, chosen.method) });
    const label = `Accuracy on clean test labels in percent over epochs, ${arms.map((arm) => arm.title).join(" and ")}; ` +
      "the numbers stand in the table below.";
    const box = make("div", { innerHTML: plot(arms, cell.ceiling, label, Math.max(260, root.clientWidth)) });
    const keys = arms.map((arm) => key(`mean ${arm.name}`, `${arm.title}, mean of ${n}`));
    keys.push(key("seed method", "a seed"));
    if (cell.ceiling !== null) keys.push(key("ceiling", "cross-entropy on clean labels, last epoch"));

    const means = arms.map((arm) => meanCurve(arm.curves));
    const epochs = Array.from({ length: Math.max(...means.map((curve) => curve.length)) }, (_, k) => k);
    const rows = epochs.map((k) => [String(k + 1), ...means.map((curve) => curve[k]?.toFixed(1) ?? "")]);
    const numbers = table("Mean accuracy in percent", ["epoch", ...arms.map((arm) => arm.title)], rows);
    const open = root.querySelector("details")?.open ?? false;
    const details = make("details", { open }, make("summary", {}, "The means as a table"), scrolled(numbers, "Mean accuracy"));

    const row = (epoch, text) => {
      const { accuracy: of, plain, gain } = method[epoch];
      return [text, withSpread(of), ...(isPlain ? [] : [withSpread(plain), gainText(gain)])];
    };
    const heads = ["", name, ...(isPlain ? [] : ["cross-entropy", "paired gain (95 % interval)"])];
    const caption = `Accuracy in percent: mean ± standard deviation, n = ${n}`;
    const results = table(caption, heads, [row("best", "best epoch"), row("last", "last epoch")]);
    return [make("ul", { className: "legend" }, ...keys), box, details, scrolled(results, caption)];
  }

  // The page itself.

  const selects = Object.fromEntries(FIELDS.map((field) => {
    const options = page.choices[field].map(([value, text]) => make("option", { value }, text));
    const select = make("select", { name: field }, ...options);
    select.addEventListener("change", () => {
      wish[field] = select.value;
      show();
    });
    return [field, select];
  }));
  const summary = make("p", { role: "status", ariaLive: "polite" });
  const ofT = make("div"), ofAccuracy = make("div");
  root.append(
    make("form", {}, ...FIELDS.map((field) => make("label", {}, LABELS[field], selects[field]))), summary,
    make("h2", {}, "The transition matrix"), ofT, make("h2", {}, "Accuracy on clean test labels"), ofAccuracy,
  );

  function show({ address = true } = {}) {
    const state = settle();
    for (const field of FIELDS) {
      for (const option of selects[field].options) option.disabled = !state.offered[field].has(option.value);
      selects[field].value = state.chosen[field];
    }
    ofT.replaceChildren(...matrices(state));
    ofAccuracy.replaceChildren(...accuracy(state));
    for (const box of root.querySelectorAll(".scrolled")) if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    const text = told(state).replaceAll(" %", "\u00a0%").replaceAll(" = ", "\u00a0=\u00a0");
    if (summary.textContent !== text) summary.textContent = text;
    if (address) history.replaceState(null, "", `#${new URLSearchParams(state.chosen)}`);
  }

  readAddress();
  show({ address: false });
  addEventListener("hashchange", () => {
    readAddress();
    show({ address: false });
  });
  let width = root.clientWidth;
  new ResizeObserver(() => {
    if (root.clientWidth !== width) show({ address: false });
    width = root.clientWidth;
  }).observe(root);
})();

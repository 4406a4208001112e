// A small T to change: noisy labels, the losses of one image and the decision follow. Needs no kernel and no network.
(() => {
  const CLASSES = ["top", "trouser", "dress"], COLOURS = ["#0173b2", "#de8f05", "#029e73"], PER_CLASS = 12;
  const root = document.getElementById("play");
  if (!root) return;
  // Shares of each class that are flipped to the two others; what is left stays.
  const wrong = [[0, 0.2, 0.3], [0.3, 0, 0.2], [0.2, 0.3, 0]];
  const image = { sure: 0.7, label: 2 };
  const T = () => wrong.map((row, i) => row.map((share, j) => (i === j ? 1 - row.reduce((a, b) => a + b, 0) : share)));
  const q = () => [image.sure, (1 - image.sure) * 0.5, (1 - image.sure) * 0.5];
  const percent = (x) => `${Math.round(100 * x)} %`;
  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      name in made && name !== "list" ? (made[name] = value) : made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };
  const slider = (label, value, max, change) => {
    const shown = make("output", {}, percent(value));
    const input = make("input", { type: "range", min: 0, max: 100 * max, step: 5, value: 100 * value });
    input.setAttribute("aria-label", label);
    input.addEventListener("input", () => { change(input.value / 100); draw(); });
    return { input, shown, part: make("label", { className: "play-slider" }, label, input, shown) };
  };

  const sliders = [];
  const rows = CLASSES.map((from, i) => make("fieldset", {}, make("legend", {}, `a ${from} is labelled`),
    ...CLASSES.flatMap((to, j) => {
      if (i === j) return [];
      const other = 3 - i - j;
      const made = slider(to, wrong[i][j], 1, (value) => { wrong[i][j] = Math.min(value, 1 - wrong[i][other]); });
      sliders.push([made, i, j]);
      return [made.part];
    })));
  const sure = slider("the network's probability of a top", image.sure, 1, (value) => { image.sure = value; });
  const label = make("select", { ariaLabel: "the image's label" },
    ...CLASSES.map((name, j) => make("option", { value: j, selected: j === image.label }, name)));
  label.addEventListener("change", () => { image.label = Number(label.value); draw(); });
  const matrix = make("table", { className: "play-matrix" });
  const crowd = make("div", { className: "play-crowd", role: "img" });
  const losses = make("div", { className: "play-losses" });
  const verdict = make("p", { ariaLive: "polite" });
  root.replaceChildren(
    make("div", { className: "play-rows" }, ...rows), matrix, crowd,
    make("div", { className: "play-image" }, sure.part, make("label", {}, "its label says ", label)), losses, verdict);

  function draw() {
    const t = T(), probs = q(), j = image.label;
    for (const [made, i, to] of sliders) {
      made.input.value = 100 * wrong[i][to];
      made.shown.value = percent(wrong[i][to]);
    }
    sure.shown.value = percent(image.sure);
    matrix.replaceChildren(
      make("caption", {}, "T: rows are clean classes, columns are labels"),
      make("tr", {}, make("td"), ...CLASSES.map((name) => make("th", { scope: "col" }, name))),
      ...t.map((row, i) => make("tr", {}, make("th", { scope: "row" }, CLASSES[i]),
        ...row.map((p) => make("td", { style: `background: rgba(1, 115, 178, ${0.75 * p})` }, p.toFixed(2))))));
    // Each image keeps its place between 0 and 1, so that dragging flips one label after another.
    const people = t.map((row, i) => Array.from({ length: PER_CLASS }, (_, k) => {
      const place = (k + 0.5) / PER_CLASS, order = [i, (i + 1) % 3, (i + 2) % 3];
      let sum = 0;
      return order.find((to) => (sum += row[to]) > place - 1e-9) ?? order[2];
    }));
    const flipped = people.flatMap((row, i) => row.filter((to) => to !== i)).length;
    crowd.setAttribute("aria-label", `${flipped} of ${3 * PER_CLASS} images have a wrong label`);
    crowd.replaceChildren(...people.map((row, i) => make("div", {}, make("span", {}, CLASSES[i]),
      ...row.map((to) => make("i", { title: `a ${CLASSES[i]} labelled ${CLASSES[to]}`,
        style: `background: ${COLOURS[i]}; border-color: ${COLOURS[to]}` })))));
    const noisy = probs.reduce((sum, p, i) => sum + p * t[i][j], 0);
    const bar = (name, value) => make("div", {}, make("span", {}, name),
      make("b", { style: `width: ${Math.min(100, 22 * value)}%` }), make("output", {}, Number.isFinite(value) ? value.toFixed(2) : "∞"));
    losses.replaceChildren(bar("cross-entropy", -Math.log(probs[j])), bar("forward correction", -Math.log(noisy)));
    const joint = probs.map((p, i) => p * t[i][j]);
    const best = joint.indexOf(Math.max(...joint));
    verdict.textContent = noisy > 0
      ? `Given this label, the image is most probably a ${CLASSES[best]} (${percent(joint[best] / noisy)}): the label is ` +
        (best === j ? "believed." : "taken for a mistake.")
      : "With this T the label can't occur.";
  }
  draw();
})();

"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const charts = read("charts");
  const cube = read("cube");
  const SHOWN = 60;
  const AXIS_PX = 140; // room for the axis, and for the first names, which stand aslant
  const EVERY_NAME = { tickangle: -45, type: "category", dtick: 1 };
  const BAR_PX = 18; // below which a bar's name cannot be read: on a phone the chart scrolls instead
  const config = { responsive: true, displayModeBar: false };

  // The page knows light and dark; the charts take their colours from it.
  const theme = (layout, height) => {
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue("--text").trim();
    const line = style.getPropertyValue("--line").trim();
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, fixedrange: true, automargin: true };
    return {
      ...layout,
      template: {},
      height,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, family: "system-ui, sans-serif", size: 13 },
      margin: { l: 10, r: 16, t: 10, b: 40 },
      xaxis: { ...axis, ...(layout.xaxis || {}) },
      yaxis: { ...axis, ...(layout.yaxis || {}) },
      legend: { orientation: "h", y: 1.15 },
      hoverlabel: { font: { size: 13 } },
    };
  };

  const draw = (name, data, layout, height) => {
    const element = document.getElementById(`chart-${name}`);
    if (element) Plotly.react(element, data, theme(layout, height), config);
  };

  // At least so wide that each of its bars can be told apart, and no wider than the page else.
  const drawBars = (name, bars, data, layout, height) => {
    const element = document.getElementById(`chart-${name}`);
    element.style.minWidth = `max(18rem, ${AXIS_PX + bars * BAR_PX}px)`;
    const isDrawn = element.data !== undefined;
    draw(name, data, layout, height);
    if (isDrawn) Plotly.Plots.resize(element);
  };

  const drawAll = () => {
    for (const [name, chart] of Object.entries(charts)) draw(name, chart.data, chart.layout, chart.height);
    if (cube.rows) drawFiltered();
  };

  const fill = (id, header, rows) => {
    const table = document.getElementById(id);
    if (!table) return;
    table.replaceChildren();
    const line = (cells, parent, scope) => {
      const row = parent.insertRow();
      cells.forEach((cell, index) => {
        const element = document.createElement(scope === "col" || index === 0 ? "th" : "td");
        if (element.tagName === "TH") element.scope = scope;
        if (index === cells.length - 1) element.className = "number";
        element.textContent = cell;
        row.append(element);
      });
    };
    line(header, table.createTHead(), "col");
    const body = table.createTBody();
    rows.forEach((row) => line(row, body, "row"));
  };

  // A row of the cube: identity, split, one label per column, faces.
  const chosen = () => {
    const form = document.getElementById("filters");
    const values = ["split", ...cube.columns].map((name) => form.elements[name].value);
    return cube.rows.filter((row) => values.every((value, index) => !value || row[index + 1] === value));
  };

  const summed = (rows, key) => {
    const sums = new Map();
    for (const row of rows) sums.set(key(row), (sums.get(key(row)) || 0) + row[row.length - 1]);
    return sums;
  };

  const combinations = () =>
    cube.columns.reduce(
      (all, column) => {
        const wanted = document.getElementById("filters").elements[column].value;
        const labels = wanted ? [wanted] : cube.labels[column];
        return all.flatMap((before) => labels.map((label) => [...before, label]));
      },
      [[]],
    );

  // What each combination should have of the faces shown: the product of its labels' shares, of what is shown.
  const targets = (cells) => {
    const shares = cells.map((labels) => labels.reduce((all, label, i) => all * cube.targets[cube.columns[i]][label], 1));
    const sum = shares.reduce((all, share) => all + share, 0);
    return shares.map((share) => (sum ? share / sum : 0));
  };

  const drawFiltered = () => {
    const rows = chosen();
    const people = summed(rows, (row) => row[0]);
    const total = rows.reduce((sum, row) => sum + row[row.length - 1], 0);
    document.getElementById("filtered").textContent =
      `Shown: ${total.toLocaleString("en")} faces of ${people.size.toLocaleString("en")} people.`;
    if (cube.columns.length) drawDistribution(rows, total);
    drawIdentities(people);
  };

  const drawDistribution = (rows, total) => {
    const cells = combinations();
    const sums = summed(rows, (row) => row.slice(2, -1).join("\u0000"));
    const faces = cells.map((labels) => sums.get(labels.join("\u0000")) || 0);
    const names = cells.map((labels) => labels.join(" · "));
    const target = targets(cells).map((share) => total * share);
    const bar = { type: "bar", name: "faces", x: names, y: faces, marker: { color: "#4477AA" } };
    const line = { type: "scatter", mode: "lines", name: "target", x: names, y: target, line: { color: "#EE6677", dash: "dash", shape: "hvh" } };
    drawBars("distribution", cells.length, [bar, line], { yaxis: { title: { text: "faces" } }, xaxis: EVERY_NAME }, 420);
    const share = (index) => `${faces[index].toLocaleString("en")} (target ${target[index].toFixed(1)})`;
    fill("table-distribution", ["Labels", "Faces"], names.map((name, index) => [name, share(index)]));
  };

  const drawIdentities = (people) => {
    const sorted = [...people].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1));
    const isLong = sorted.length > SHOWN;
    const shown = isLong ? [...sorted.slice(0, SHOWN / 2), ...sorted.slice(-SHOWN / 2)] : sorted;
    const bar = { type: "bar", x: shown.map((each) => each[0]), y: shown.map((each) => each[1]), marker: { color: "#228833" } };
    const title = isLong ? `faces (the ${SHOWN / 2} with most, the ${SHOWN / 2} with least)` : "faces";
    drawBars("identities", shown.length, [bar], { yaxis: { title: { text: title } }, xaxis: EVERY_NAME }, 360);
    fill("table-identities", ["Identity", "Faces"], sorted);
  };

  const form = document.getElementById("filters");
  if (form) {
    form.addEventListener("change", drawFiltered);
    form.addEventListener("submit", (event) => event.preventDefault());
    document.getElementById("show-all").addEventListener("click", () => {
      form.reset();
      drawFiltered();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
  document.documentElement.dataset.drawn = "yes";
})();

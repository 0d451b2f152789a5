"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const charts = read("charts");
  const cube = read("cube");
  const form = document.getElementById("filters");
  const SHOWN = 60;
  const AXIS_PX = 140; // room for the axis, and for the first names, which stand aslant
  const BAR_PX = 18; // below which a bar's name cannot be read: on a phone the chart scrolls instead
  const PRINT_PX = 680; // fits A4 and Letter within the margins of page.css
  const PRINT_COLOURS = { text: "#1b1f24", line: "#d0d7de" };
  const FILTERS = "#composition:"; // of an address with filters
  const config = { responsive: true, displayModeBar: false };
  let isPrinting = false;

  // The page knows light and dark; the charts take their colours from it. Paper is light.
  const colours = () => {
    if (isPrinting) return PRINT_COLOURS;
    const style = getComputedStyle(document.documentElement);
    return { text: style.getPropertyValue("--text").trim(), line: style.getPropertyValue("--line").trim() };
  };

  const theme = (layout, height) => {
    const { text, line } = colours();
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, fixedrange: true, automargin: true };
    return {
      ...layout,
      template: {},
      height,
      ...(isPrinting ? { width: PRINT_PX } : { autosize: true }),
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, family: "system-ui, sans-serif", size: 13 },
      margin: { l: 10, r: 16, t: 10, b: 40 },
      xaxis: { nticks: 6, ...axis, ...(layout.xaxis || {}) },
      yaxis: { ...axis, ...(layout.yaxis || {}) },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      hoverlabel: { font: { size: 13 } },
    };
  };

  const draw = (name, data, layout, height) => {
    const element = document.getElementById(`chart-${name}`);
    if (element) Plotly.react(element, data, theme(layout, height), config);
  };

  // Flow diagrams are drawn by transitions, which paper does not wait for: there they are scaled as they are.
  const isFlow = (name) => charts[name] !== undefined && charts[name].data[0].type === "sankey";
  const scale = (name) => {
    const element = document.getElementById(`chart-${name}`);
    const { width, height } = element._fullLayout;
    for (const svg of element.querySelectorAll(".main-svg")) {
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.setAttribute("width", isPrinting ? PRINT_PX : width);
      svg.setAttribute("height", isPrinting ? (height * PRINT_PX) / width : height);
    }
    const container = element.querySelector(".svg-container");
    container.style.width = isPrinting ? `${PRINT_PX}px` : "100%";
    container.style.height = `${isPrinting ? (height * PRINT_PX) / width : height}px`;
  };

  // At least so wide that each of its bars can be told apart, and no wider than the page else.
  const drawBars = (name, bars, data, layout, height) => {
    const element = document.getElementById(`chart-${name}`);
    element.style.minWidth = `max(18rem, ${AXIS_PX + bars * BAR_PX}px)`;
    const isDrawn = element.data !== undefined;
    draw(name, data, { ...layout, xaxis: barNames(bars) }, height);
    if (isDrawn && !isPrinting) Plotly.Plots.resize(element);
  };

  // Every name; on paper smaller and upright if there are many, and only some if even these would overlap.
  const barNames = (bars) => {
    const room = (PRINT_PX - AXIS_PX) / Math.max(1, bars);
    if (!isPrinting || room >= BAR_PX) return { tickangle: -45, type: "category", dtick: 1, tickfont: { size: 11 } };
    return { tickangle: -90, type: "category", tickfont: { size: 7 }, ...(room >= 8 ? { dtick: 1 } : {}) };
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

  // Tables that the page writes itself are written when somebody opens them.
  const tables = new Map();
  const fillIfOpen = (id) => {
    const table = document.getElementById(id);
    if (table && tables.has(id) && table.closest("details").open) fill(id, ...tables.get(id));
  };
  const setTable = (id, header, rows) => {
    tables.set(id, [header, rows]);
    fillIfOpen(id);
  };
  for (const id of ["table-distribution", "table-identities"]) {
    const table = document.getElementById(id);
    if (table) table.closest("details").addEventListener("toggle", () => fillIfOpen(id));
  }

  // A row of the cube: identity, split, one label per column, faces.
  const names = () => ["split", ...cube.columns];

  const chosen = () => {
    const values = names().map((name) => form.elements[name].value);
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
        const wanted = form.elements[column].value;
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

  const showCounts = (rows) => {
    const people = new Set(rows.map((row) => row[0])).size;
    const total = rows.reduce((sum, row) => sum + row[row.length - 1], 0);
    document.getElementById("filtered").textContent =
      `Shown: ${total.toLocaleString("en")} faces of ${people.toLocaleString("en")} people.`;
  };

  const drawDistribution = () => {
    if (!cube.columns.length) return;
    const rows = chosen();
    const total = rows.reduce((sum, row) => sum + row[row.length - 1], 0);
    const cells = combinations();
    const sums = summed(rows, (row) => row.slice(2, -1).join("\u0000"));
    const faces = cells.map((labels) => sums.get(labels.join("\u0000")) || 0);
    const titles = cells.map((labels) => labels.join(" · "));
    const target = targets(cells).map((share) => total * share);
    const bar = { type: "bar", name: "faces", x: titles, y: faces, marker: { color: "#4477AA" } };
    const line = { type: "scatter", mode: "lines", name: "target", x: titles, y: target, line: { color: "#EE6677", dash: "dash", shape: "hvh" } };
    drawBars("distribution", cells.length, [bar, line], { yaxis: { title: { text: "faces" } } }, 420);
    const share = (index) => `${faces[index].toLocaleString("en")} (target ${target[index].toFixed(1)})`;
    setTable("table-distribution", ["Labels", "Faces"], titles.map((title, index) => [title, share(index)]));
  };

  const drawIdentities = () => {
    const people = summed(chosen(), (row) => row[0]);
    const sorted = [...people].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1));
    const isLong = sorted.length > SHOWN;
    const shown = isLong ? [...sorted.slice(0, SHOWN / 2), ...sorted.slice(-SHOWN / 2)] : sorted;
    const bar = { type: "bar", x: shown.map((each) => each[0]), y: shown.map((each) => each[1]), marker: { color: "#228833" } };
    const title = isLong ? `faces (the ${SHOWN / 2} with most, the ${SHOWN / 2} with least)` : "faces";
    drawBars("identities", shown.length, [bar], { yaxis: { title: { text: title } } }, 360);
    setTable("table-identities", ["Identity", "Faces"], sorted);
  };

  // Charts in the order of the page: name → how it is drawn.
  const drawings = new Map();
  for (const element of document.querySelectorAll("[id^=chart-]")) {
    const name = element.id.slice("chart-".length);
    const chart = charts[name];
    if (chart) drawings.set(name, () => draw(name, chart.data, chart.layout, chart.height));
  }
  if (cube.rows) {
    drawings.set("distribution", drawDistribution);
    drawings.set("identities", drawIdentities);
  }
  const waiting = new Set(drawings.keys());
  const drawNow = (name) => {
    waiting.delete(name);
    drawings.get(name)();
  };
  const drawFiltered = () => {
    showCounts(chosen());
    drawNow("distribution");
    drawNow("identities");
  };
  const drawAll = () => [...drawings.keys()].forEach(drawNow);
  const drawForPrint = () => {
    for (const name of drawings.keys()) {
      if (isFlow(name) && !waiting.has(name)) scale(name);
      else drawNow(name);
    }
  };

  // What comes into sight is drawn first, the rest while the page has nothing else to do.
  const seen = new IntersectionObserver(
    (entries) =>
      entries.forEach((entry) => {
        const name = entry.target.id.slice("chart-".length);
        if (entry.isIntersecting && waiting.has(name)) drawNow(name);
      }),
    { rootMargin: "300px" },
  );
  for (const name of drawings.keys()) {
    const element = document.getElementById(`chart-${name}`);
    if (element) seen.observe(element);
  }
  const drawRest = () => {
    const [next] = waiting;
    if (next === undefined) {
      document.documentElement.dataset.drawn = "yes";
      return;
    }
    drawNow(next);
    requestIdleCallback(drawRest);
  };

  // The filters stand in the address, so that a view can be passed on: #composition:split=train&gender=Males.
  const writeAddress = () => {
    const set = new URLSearchParams();
    for (const name of names()) if (form.elements[name].value) set.set(name, form.elements[name].value);
    history.replaceState(null, "", set.size ? `${FILTERS}${set}` : "#composition");
  };
  const readAddress = () => {
    if (!form || !location.hash.startsWith(FILTERS)) return;
    const set = new URLSearchParams(location.hash.slice(FILTERS.length));
    for (const name of names()) {
      const select = form.elements[name];
      const wanted = set.get(name) || "";
      select.value = [...select.options].some((option) => option.value === wanted) ? wanted : "";
    }
    document.getElementById("composition").scrollIntoView();
    drawFiltered();
  };

  // On paper everything is open, and charts are as wide as the page.
  const opened = [];
  addEventListener("beforeprint", () => {
    isPrinting = true;
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      opened.push(details);
    }
    drawForPrint();
    for (const id of tables.keys()) fillIfOpen(id);
  });
  addEventListener("afterprint", () => {
    isPrinting = false;
    for (const details of opened.splice(0)) details.open = false;
    drawForPrint();
  });

  if (form) {
    form.addEventListener("change", () => {
      drawFiltered();
      writeAddress();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    document.getElementById("show-all").addEventListener("click", () => {
      form.reset();
      drawFiltered();
      writeAddress();
    });
    showCounts(chosen());
    readAddress();
    addEventListener("hashchange", readAddress);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  requestIdleCallback(drawRest);
})();

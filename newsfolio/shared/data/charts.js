"use strict";
(() => {
  const SCREEN = { width: undefined, scale: 1 };
  const PRINT = { width: 680, scale: 0.75 }; // pixels of A4 between its margins; two charts a page
  const root = document.documentElement;
  const boxes = [...document.querySelectorAll(".chart")];
  const notice = document.getElementById("no-charts");
  const text = (id) => document.getElementById(id).textContent;

  function colour(name) {
    return getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  }

  // The figures carry no colours of the page; they come from its style sheet, light or dark.
  function themed(figure) {
    const [ink, quiet, grid, rule, raised] = ["ink", "quiet", "grid", "rule", "raised"].map(colour);
    const axis = {
      color: quiet, gridcolor: grid, linecolor: rule, zerolinecolor: rule, showline: false, zeroline: true,
    };
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
      xaxis: axis, yaxis: axis,
      hoverlabel: { bgcolor: raised, bordercolor: rule, font: { color: ink } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: quiet, activecolor: ink },
    };
    return { ...figure.layout, template: { layout } };
  }

  function draw(box, figure, { width, scale }) {
    const data = figure.data.map((trace) => ({ x: figure.dates, ...trace }));
    const fingers = matchMedia("(pointer: coarse)").matches; // there a drag must scroll the page, not zoom
    const layout = { ...themed(figure), dragmode: fingers ? false : "zoom", width };
    layout.height = scale * figure.height;
    const config = { responsive: true, displayModeBar: false };
    return Plotly.react(box, data, layout, config);
  }

  async function inflated(base64) {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  async function loadPlotly() {
    const script = document.createElement("script");
    script.textContent = await inflated(text("plotly-gzip")); // runs because the page's policy knows its hash
    document.head.append(script);
    if (typeof Plotly === "undefined") throw new Error("plotly.js did not start");
  }

  async function start() {
    const figures = JSON.parse(text("figures-json"));
    const drawAll = (size) => Promise.all(boxes.map((box) => draw(box, figures[box.dataset.chart], size)));
    await loadPlotly();
    await drawAll(SCREEN);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(SCREEN));
    addEventListener("beforeprint", () => { root.classList.add("printing"); drawAll(PRINT); });
    addEventListener("afterprint", () => { root.classList.remove("printing"); drawAll(SCREEN); });
  }

  notice.hidden = true;
  start().then(() => { root.dataset.charts = "drawn"; }, (error) => {
    notice.textContent = `The charts cannot be drawn in this browser (${error.message}); every figure is also given in words or as a table.`;
    notice.hidden = false;
    root.classList.add("without-charts");
  });
})();

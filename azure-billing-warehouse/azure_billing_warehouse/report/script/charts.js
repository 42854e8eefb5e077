// How charts are drawn by Chart.js, with their figures as a table beside them, and the one of cost by month.

const LARGEST = 8;

const charts = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** A pattern of slanted lines, for what is missing or belongs to nobody. */
function hatch(line, ground) {
  const tile = el("canvas", { width: 8, height: 8 });
  const pen = tile.getContext("2d");
  pen.fillStyle = ground;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = line;
  pen.lineWidth = 1.5;
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

/** Choose what a chart shows by name: the largest rows, all others together, and what has no value. */
function seriesOf(rows) {
  const ranked = rows
    .filter((row) => !row.isNone && !row.isLast)
    .sort((a, b) => Math.abs(b.total.cost) - Math.abs(a.total.cost));
  const named = ranked.slice(0, LARGEST).map((row, place) => ({
    label: row.label,
    rows: [row],
    filter: row.filter,
    colour: colour(`series-${place + 1}`),
  }));
  const others = [...ranked.slice(LARGEST), ...rows.filter((row) => row.isLast && !row.isNone)];
  if (others.length) {
    const label = others.length === 1 ? others[0].label : "others";
    named.push({ label, rows: others, filter: null, colour: colour("others") });
  }
  for (const row of rows.filter((one) => one.isNone)) {
    named.push({ label: row.label, rows: [row], filter: row.filter, colour: colour("none") });
  }
  return named;
}

/** Draw a chart into its box, in place of the one before. */
function draw(id, height, config) {
  charts.get(id)?.destroy();
  const canvas = part(id).querySelector("canvas");
  canvas.parentElement.style.height = `${height}px`;
  Chart.defaults.color = colour("quiet");
  Chart.defaults.borderColor = colour("line");
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const chart = new Chart(canvas, config);
  charts.set(id, chart);
  if (printing) chart.resize(680, height);
}

function barOptions(labelOfTip, onClick) {
  const total = (items) =>
    `together: ${money(items[0].chart.data.datasets.reduce((sum, one) => sum.add(one.type === "line" ? 0 : (one.data[items[0].dataIndex] ?? 0)), new Sum()).value)}`;
  return {
    animation: false,
    maintainAspectRatio: false,
    onClick,
    layout: { padding: { top: 18, right: 14 } },
    scales: {
      x: { stacked: true, grid: { display: false }, ticks: { autoSkipPadding: 8, maxRotation: 50 } },
      y: {
        stacked: true,
        ticks: { callback: (value) => SHORT.format(value), maxTicksLimit: 7 },
        border: { display: false },
      },
    },
    plugins: {
      legend: { position: "bottom", labels: { boxWidth: 12, boxHeight: 12, generateLabels: legendLabels } },
      tooltip: {
        callbacks: {
          title: labelOfTip,
          label: (item) => ` ${shortened(item.dataset.label)}: ${money(item.raw)}`,
          footer: total,
        },
      },
    },
  };
}

/** Chart.js takes a legend's colour from the first bar; ours are those of the series. A line is explained in words. */
function legendLabels(chart) {
  const labels = Chart.defaults.plugins.legend.labels.generateLabels(chart);
  return labels
    .filter((label) => chart.data.datasets[label.datasetIndex].legendColour)
    .map((label) => ({
      ...label,
      text: shortened(label.text),
      fillStyle: chart.data.datasets[label.datasetIndex].legendColour,
      lineWidth: 0,
      fontColor: colour("ink"),
    }));
}

function shortened(text) {
  return text.length > 32 ? `${text.slice(0, 31)}\u2026` : text;
}

/** Draw cost by month of what is chosen; a click chooses the month and the value. */
function drawMonths(rows) {
  const series = seriesOf(rows);
  const datasets = series.map((one) => ({
    label: one.label,
    legendColour: one.colour,
    data: realMonths.map((month) =>
      month.state === "missing" ? null : total(one.rows.map((row) => row.months.get(month.index)?.cost ?? 0)),
    ),
    backgroundColor: realMonths.map((month) => (isOpen(month) ? `${one.colour}90` : one.colour)),
    maxBarThickness: 64,
  }));
  const onClick = (event, found, chart) => {
    const place = Math.round(chart.scales.x.getValueForPixel(event.x));
    if (!realMonths[place]) return;
    const filter = found.length ? series[found[0].datasetIndex].filter : null;
    if (filter) drill(filter, { month: realMonths[place].index });
    else choose({ month: realMonths[place].index });
  };
  const options = barOptions((items) => monthLabel(realMonths[items[0].dataIndex]), onClick);
  options.scales.x.ticks.font = (context) => ({
    weight: realMonths[context.index]?.index === view.month ? "bold" : "normal",
  });
  draw("months", 340, {
    type: "bar",
    data: { labels: realMonths.map((month) => month.name), datasets },
    options,
    plugins: [marks],
  });
  showFigures(
    "months",
    "Cost by month",
    realMonths.map((month) => monthLabel(month) + (month.state === "whole" ? "" : `, ${markOf(month)}`)),
    datasets,
  );
}

function markOf(month) {
  if (month.state === "missing") return "missing";
  if (month.state === "failing") return isOpen(month) ? "fails, so far" : "fails";
  return isOpen(month) ? "so far" : "";
}

/** A grey gap where a month is missing, red round one that fails, a word above one that is still open. */
const marks = {
  id: "marks",
  afterDatasetsDraw(chart) {
    const pen = chart.ctx;
    const step = chart.chartArea.width / realMonths.length;
    const width = Math.min(64, step * 0.72) + 6;
    pen.save();
    pen.textAlign = "center";
    pen.font = `600 12px ${Chart.defaults.font.family}`;
    realMonths.forEach((month, place) => {
      const x = chart.scales.x.getPixelForValue(place);
      if (month.state === "missing") drawGap(chart, pen, x, width);
      else drawMark(chart, pen, month, place, x, width);
    });
    pen.restore();
  },
};

function drawGap(chart, pen, x, width) {
  const { top, height } = chart.chartArea;
  pen.fillStyle = hatch(colour("hatch"), colour("card"));
  pen.fillRect(x - width / 2, top, width, height);
  pen.translate(x, top + height / 2);
  pen.rotate(-Math.PI / 2);
  const half = pen.measureText("missing").width / 2 + 6;
  pen.fillStyle = colour("card");
  pen.fillRect(-half, -10, 2 * half, 20);
  pen.fillStyle = colour("ink");
  pen.fillText("missing", 0, 4);
  pen.rotate(Math.PI / 2);
  pen.translate(-x, -(top + height / 2));
}

function drawMark(chart, pen, month, place, x, width) {
  const text = markOf(month);
  if (!text) return;
  const zero = chart.scales.y.getPixelForValue(0);
  const bars = chart.getSortedVisibleDatasetMetas().map((meta) => meta.data[place]);
  const edges = [zero, ...bars.flatMap((bar) => [bar.y, bar.base])].filter(Number.isFinite);
  const top = Math.min(...edges);
  if (month.state === "failing") {
    pen.strokeStyle = colour("bad");
    pen.lineWidth = 2;
    pen.strokeRect(x - width / 2, top - 3, width, Math.max(...edges) - top + 6);
  }
  pen.fillStyle = colour(month.state === "failing" ? "bad" : "quiet");
  text
    .split(", ")
    .reverse()
    .forEach((word, line) => pen.fillText(word, x, top - 8 - 13 * line));
}

/** Show what a chart shows as a table, made when it is opened. */
function showFigures(id, caption, labels, datasets) {
  const details = part(id).querySelector("details");
  const fill = () => {
    const columns = [{ label: "" }, ...datasets.map((one) => ({ label: one.label, number: true }))];
    const rows = labels.map((label, place) => [
      label,
      ...datasets.map((one) =>
        one.data[place] === null ? DASH : el("span", { title: String(one.data[place]) }, money(one.data[place])),
      ),
    ]);
    details.querySelector("div").replaceChildren(longTable(caption, columns, rows, 62));
  };
  details.ontoggle = () => details.open && fill();
  details.querySelector("div").replaceChildren();
  if (details.open || (printing && id === "months")) fill();
}

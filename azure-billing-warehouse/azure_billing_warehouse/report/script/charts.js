// The two charts, drawn by Chart.js: cost by month and by day. Each has its figures as a table beside it.

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
  const ranked = rows.filter((row) => !row.isNone && !row.isLast).sort((a, b) => Math.abs(b.total.cost) - Math.abs(a.total.cost));
  const named = ranked.slice(0, LARGEST).map((row, place) => ({ label: row.label, rows: [row], filter: row.filter, colour: colour(`series-${place + 1}`) }));
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
  const total = (items) => `together: ${money(items[0].chart.data.datasets.reduce((sum, one) => sum.add(one.type === "line" ? 0 : (one.data[items[0].dataIndex] ?? 0)), new Sum()).value)}`;
  return {
    animation: false,
    maintainAspectRatio: false,
    onClick,
    layout: { padding: { top: 18, right: 14 } },
    scales: {
      x: { stacked: true, grid: { display: false }, ticks: { autoSkipPadding: 8, maxRotation: 50 } },
      y: { stacked: true, ticks: { callback: (value) => SHORT.format(value), maxTicksLimit: 7 }, border: { display: false } },
    },
    plugins: {
      legend: { position: "bottom", labels: { boxWidth: 12, boxHeight: 12, generateLabels: legendLabels } },
      tooltip: { callbacks: { title: labelOfTip, label: (item) => ` ${shortened(item.dataset.label)}: ${money(item.raw)}`, footer: total } },
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
    data: realMonths.map((month) => (month.state === "missing" ? null : total(one.rows.map((row) => row.months.get(month.index)?.cost ?? 0)))),
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
  options.scales.x.ticks.font = (context) => ({ weight: realMonths[context.index]?.index === view.month ? "bold" : "normal" });
  draw("months", 340, { type: "bar", data: { labels: realMonths.map((month) => month.name), datasets }, options, plugins: [marks] });
  showFigures("months", "Cost by month", realMonths.map((month) => monthLabel(month) + (month.state === "whole" ? "" : `, ${markOf(month)}`)), datasets);
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
  text.split(", ").reverse().forEach((word, line) => pen.fillText(word, x, top - 8 - 13 * line));
}

/** The rows of `days` that belong to what is chosen: days are known by application only. */
function dayFilter() {
  const wanted = view.path.find((filter) => filter.cut === "application")?.value;
  return ([, currency, place]) => currency === view.currency && (wanted === undefined || place === wanted);
}

function dailyRows() {
  const byApplication = new Map();
  for (const [date, , place, cost] of data.days.filter(dayFilter())) {
    if (!byApplication.has(place)) byApplication.set(place, { days: new Map(), total: new Sum() });
    const found = byApplication.get(place);
    found.days.set(date, cost);
    found.total.add(cost);
  }
  return [...byApplication].map(([place, found]) => ({
    label: place < 0 ? "others" : valueLabel("application", place),
    isNone: place >= 0 && data.cuts[application].values[place].name === null,
    isLast: place < 0,
    filter: null,
    days: found.days,
    total: { cost: found.total.value },
  }));
}

function datesBetween(first, last) {
  const dates = [];
  for (let day = new Date(first); day <= last; day.setUTCDate(day.getUTCDate() + 1)) dates.push(day.toISOString().slice(0, 10));
  return dates;
}

function lastDay(month) {
  const first = new Date(month.month);
  return new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0));
}

/** Draw cost by day of the month that is chosen, or of all. */
function drawDays() {
  const chosen = view.month === null ? null : months[view.month];
  const first = (chosen ?? realMonths[0]).month;
  const dates = datesBetween(first, lastDay(chosen ?? realMonths.at(-1)));
  const rows = dailyRows();
  const datasets = seriesOf(rows).map((one) => ({
    label: one.label,
    legendColour: one.colour,
    data: dates.map((date) => daySum(one.rows, date)),
    backgroundColor: one.colour,
    categoryPercentage: chosen ? 0.8 : 1,
    barPercentage: 1,
  }));
  const before = chosen && realMonths[realMonths.indexOf(chosen) - 1];
  const lines = before && before.state !== "missing" ? [lineOf(before, dates, rows)] : [];
  const options = barOptions((items) => `${dayName(dates[items[0].dataIndex])} ${dates[items[0].dataIndex].slice(0, 4)}`);
  options.scales.x.ticks.callback = (place) => (chosen ? Number(dates[place].slice(8)) : dayName(dates[place]));
  options.scales.x.ticks.maxTicksLimit = chosen ? 31 : 14;
  draw("days", 280, { type: "bar", data: { labels: dates, datasets: [...lines, ...datasets] }, options });
  showFigures("days", "Cost by day", dates, [...datasets, ...lines]);
  part("days").querySelector(".about").textContent = daysAbout(chosen, lines[0]);
}

/** The cost of a day, or null where none of the rows has any. */
function daySum(rows, date) {
  const costs = rows.map((row) => row.days.get(date)).filter((cost) => cost !== undefined);
  return costs.length ? total(costs) : null;
}

function lineOf(before, dates, rows) {
  const earlier = datesBetween(before.month, lastDay(before));
  return {
    type: "line",
    label: `${before.name}, same day`,
    borderColor: colour("ink"),
    borderDash: [5, 4],
    borderWidth: 1.5,
    pointRadius: 0,
    stack: "before",
    data: dates.map((date, place) => daySum(rows, earlier[place])),
  };
}

function daysAbout(chosen, line) {
  const others = view.path.filter((filter) => filter.cut !== "application");
  const sentences = [`Cost of each day of ${chosen ? monthLabel(chosen) : "all months"}, by application.`];
  if (line) sentences.push(`The dashed line is ${line.label}.`);
  if (others.length) sentences.push(`Days are known by application only: not only ${others.map(filterLabel).join(", ")} is shown.`);
  const undated = data.undated.filter(([month, currency]) => currency === view.currency && !months[month].is_comparison && (!chosen || month === chosen.index));
  const amount = undated.reduce((sum, cell) => sum.add(cell), new Amount());
  if (amount.rows) sentences.push(`${counted(amount.rows, "row")} without a day not shown: ${costText(amount.cost, amount.rows, amount.unknown)}.`);
  const wanted = dayFilter();
  const unknown = data.days
    .filter((day) => wanted(day) && (!chosen || day[0].startsWith(chosen.month.slice(0, 7))))
    .reduce((sum, [, , , , rows]) => sum + rows, 0);
  if (unknown) sentences.push(`${counted(unknown, "row")} of unknown cost not shown.`);
  return sentences.join(" ");
}

/** Show what a chart shows as a table, made when it is opened. */
function showFigures(id, caption, labels, datasets) {
  const details = part(id).querySelector("details");
  const fill = () => {
    const columns = [{ label: "" }, ...datasets.map((one) => ({ label: one.label, number: true }))];
    const rows = labels.map((label, place) => [label, ...datasets.map((one) => (one.data[place] === null ? DASH : el("span", { title: String(one.data[place]) }, money(one.data[place]))))]);
    details.querySelector("div").replaceChildren(longTable(caption, columns, rows, 62));
  };
  details.ontoggle = () => details.open && fill();
  details.querySelector("div").replaceChildren();
  if (details.open || (printing && id === "months")) fill();
}

// The chart of cost by day, which is known by application only.

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
  for (let day = new Date(first); day <= last; day.setUTCDate(day.getUTCDate() + 1))
    dates.push(day.toISOString().slice(0, 10));
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
  const options = barOptions(
    (items) => `${dayName(dates[items[0].dataIndex])} ${dates[items[0].dataIndex].slice(0, 4)}`,
  );
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
  if (others.length)
    sentences.push(`Days are known by application only: not only ${others.map(filterLabel).join(", ")} is shown.`);
  const undated = data.undated.filter(
    ([month, currency]) =>
      currency === view.currency && !months[month].is_comparison && (!chosen || month === chosen.index),
  );
  const amount = undated.reduce((sum, cell) => sum.add(cell), new Amount());
  if (amount.rows)
    sentences.push(
      `${counted(amount.rows, "row")} without a day not shown: ${costText(amount.cost, amount.rows, amount.unknown)}.`,
    );
  const wanted = dayFilter();
  const unknown = data.days
    .filter((day) => wanted(day) && (!chosen || day[0].startsWith(chosen.month.slice(0, 7))))
    .reduce((sum, [, , , , rows]) => sum + rows, 0);
  if (unknown) sentences.push(`${counted(unknown, "row")} of unknown cost not shown.`);
  return sentences.join(" ");
}

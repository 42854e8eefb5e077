// Where the money goes: what is chosen, its table with search and sort, and what rose and fell.

const SHOWN_MONTHS = 6;
const SHOWN_ROWS = 40;
const MOVERS = 5;
const sorting = { column: null, descending: true };
let shownRows = SHOWN_ROWS;

function option(value, label, isChosen) {
  return el("option", { value, selected: isChosen }, label);
}

/** Show what can be chosen, and what is. */
function showChoices() {
  const monthOptions = realMonths.toReversed().map((month) => {
    const mark = month.state === "whole" ? "" : ` (${month.state === "missing" ? "missing" : "fails"})`;
    return option(month.index, monthLabel(month) + mark, month.index === view.month);
  });
  part("month").replaceChildren(option("", "All months", view.month === null), ...monthOptions);
  part("currency").replaceChildren(
    ...data.currencies.map((name, place) => option(place, name || "(none)", place === view.currency)),
  );
  part("currency").parentElement.hidden = data.currencies.length < 2;
  part("by").replaceChildren(...cutChoices(view.path).map((key) => option(key, cutLabel(key), key === view.by)));
  showTrail();
}

function showTrail() {
  const month = view.month === null ? "All months" : monthLabel(months[view.month]);
  const steps = [
    ...(view.month === null ? [] : [{ label: "All months", change: { month: null, path: [] } }]),
    { label: month, change: { path: [] } },
    ...view.path.map((filter, place) => ({
      label: `${cutLabel(filter.cut)}: ${filterLabel(filter)}`,
      change: { path: view.path.slice(0, place + 1) },
    })),
  ];
  const items = steps.map((step, place) => {
    const isLast = place === steps.length - 1;
    const go = () => goBack(step.change);
    return el(
      "li",
      {},
      isLast
        ? el("b", { "aria-current": "true", tabindex: "-1" }, step.label)
        : el("button", { type: "button", class: "link", onclick: go }, step.label),
    );
  });
  part("trail").replaceChildren(...items);
}

/** Go back to a step of the trail, divided as it was when the next step was taken. */
function goBack(change) {
  const left = view.path[change.path.length];
  focusOnTrail = true;
  choose({ ...change, by: left ? left.cut : view.by });
}

let focusOnTrail = false;

function goInto(filter) {
  focusOnTrail = true;
  part("search").value = "";
  drill(filter);
}

/** What changed against a base: money and percentage, or nothing where one of them isn't known. */
function changeOf(now, before) {
  if (now?.isUnknown || before?.isUnknown || !(now?.rows || before?.rows)) return null;
  const from = before?.cost ?? 0;
  const money = (now?.cost ?? 0) - from;
  return {
    money,
    percent: from > 0 ? money / from : null,
    text: from > 0 ? percentage(money, from, "+") : before?.rows ? DASH : "new",
  };
}

function nameCell(row) {
  const label = row.filter
    ? el(
        "button",
        { type: "button", class: "link", onclick: () => goInto(row.filter), title: row.title || null },
        row.label,
      )
    : el("span", {}, row.label);
  return el("span", { class: "name" }, label, row.detail ? el("small", {}, row.detail) : "");
}

function amountColumn(label, amountOf, which = "cost") {
  const value = (row) => (amountOf(row)?.isUnknown ? null : (amountOf(row)?.[which] ?? 0));
  return { label, number: true, value, show: (row) => costNode(amountOf(row), which) };
}

/** The columns of the table: the last months and all together, or a month beside what it is compared with. */
function tableColumns(whole) {
  const name = { label: cutLabel(view.by), value: (row) => row.label.toLowerCase(), show: nameCell };
  if (view.month === null) {
    const shown = realMonths.slice(-SHOWN_MONTHS);
    const columns = shown.map((month) =>
      amountColumn(month.name + (markOf(month) ? ` (${markOf(month)})` : ""), (row) => row.months.get(month.index)),
    );
    const all = amountColumn(`All ${counted(realMonths.length, "month")}`, (row) => row.total);
    const share = (row) => shareOf(row.total, whole.total);
    return [name, ...columns, all, { label: "Share", number: true, value: all.value, show: share }];
  }
  const month = months[view.month];
  const now = (row) => row.months.get(month.index);
  const cost = amountColumn(isOpen(month) ? `${month.name} so far` : month.name, now);
  const share = {
    label: "Share",
    number: true,
    value: cost.value,
    show: (row) => shareOf(now(row), now(whole)),
  };
  return [name, cost, share, amountColumn("With tax", now, "tax"), ...comparisonColumns(month, now)];
}

function comparisonColumns(month, now) {
  const base = baseOf(month);
  if (!base) return [];
  const before = (row) => row.months.get(base.index);
  const change = (row) => changeOf(now(row), before(row));
  const moneyOf = (row) => {
    const found = change(row);
    return found ? el("span", { title: String(found.money) }, signed(found.money)) : DASH;
  };
  return [
    amountColumn(base.isSameDays ? `${base.label}, same days` : base.label, before),
    { label: "Change", number: true, value: (row) => change(row)?.money ?? null, show: moneyOf },
    {
      label: "Change %",
      number: true,
      value: (row) => change(row)?.percent ?? null,
      show: (row) => change(row)?.text ?? DASH,
    },
  ];
}

function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
  return sorting.descending ? -order : order;
}

function sortControl(column, place, columns) {
  const sort = () => {
    sorting.descending = sorting.column === column.label ? !sorting.descending : Boolean(column.number);
    sorting.column = column.label;
    showTable();
    part("table").querySelectorAll("th button")[place].focus();
  };
  const isSorted = sortedColumn(columns) === column;
  const arrow = isSorted ? (sorting.descending ? " \u2193" : " \u2191") : "";
  return {
    ...column,
    sort: isSorted ? (sorting.descending ? "descending" : "ascending") : "none",
    control: el(
      "button",
      { type: "button", class: "sort", onclick: sort },
      column.label,
      el("span", { "aria-hidden": "true" }, arrow),
    ),
  };
}

function sortedColumn(columns) {
  const cost = view.month === null ? columns.find((column) => column.label.startsWith("All ")) : columns[1];
  return columns.find((column) => column.label === sorting.column) ?? cost;
}

/** Rows that say something about what is chosen: those with anything in the month or in what it is compared with. */
function visibleRows(rows) {
  if (view.month === null) return rows;
  const wanted = [view.month, baseOf(months[view.month])?.index];
  return rows.filter((row) => wanted.some((month) => row.months.get(month)?.rows));
}

let divided = null;

function showTable() {
  const search = part("search").value.trim().toLowerCase();
  const all = visibleRows(divided.rows);
  const found = search
    ? all.filter((row) => `${row.label} ${row.detail} ${row.title}`.toLowerCase().includes(search))
    : all;
  const columns = tableColumns(divided.total);
  const by = sortedColumn(columns);
  const sorted = found.toSorted((a, b) => a.isLast - b.isLast || compare(by.value(a), by.value(b)));
  const limit = printing ? PAPER_ROWS : shownRows;
  const cells = (row) => columns.map((column) => column.show(row));
  const foot = [cells(divided.total)];
  if (search) foot.unshift(cells(sumOf(`Found: ${found.length} of ${all.length}`, view.path, found)));
  part("table").replaceChildren(
    tableNode("Where the money goes", columns.map(sortControl), sorted.slice(0, limit).map(cells), foot),
    sorted.length > limit ? moreButton(sorted.length) : "",
  );
  part("found").textContent = `${COUNT.format(found.length)} of ${counted(all.length, "row")}`;
}

function moreButton(count) {
  const more = () => {
    shownRows = Infinity;
    showTable();
  };
  return el(
    "p",
    {},
    el("button", { type: "button", onclick: more }, `Show all ${COUNT.format(count)}`),
    el("span", { class: "on-paper" }, `The first ${PAPER_ROWS} of ${counted(count, "row")}`),
  );
}

function showExplanation() {
  const about = [
    `Published cost${view.month === null ? " of all months" : ` of ${monthLabel(months[view.month])}`}, before tax unless it says otherwise.`,
  ];
  const base = view.month === null ? null : baseOf(months[view.month]);
  if (base) about.push(`Compared with ${base.label}${base.isSameDays ? ", the same days of the month before" : ""}.`);
  if (divided.isPartial)
    about.push("Only of resources that are listed one by one: how the others divide further isn't in this file.");
  part("about").textContent = about.join(" ");
  const id = view.path.find((filter) => filter.cut === RESOURCE)?.id;
  part("facts").replaceChildren(...(id ? [el("dt", {}, "Resource id"), el("dd", {}, id)] : []));
}

/** Show the largest rises and falls of the month against the one before. */
function showMovers() {
  const month = shownMonth();
  const base = baseOf(month);
  const box = part("movers-lists");
  part("movers-about").textContent = moversAbout(month, base);
  if (!base) return box.replaceChildren();
  const moved = divided.rows
    .filter((row) => !row.isLast)
    .map((row) => ({ row, now: row.months.get(month.index), before: row.months.get(base.index) }))
    .map((one) => ({ ...one, change: changeOf(one.now, one.before) }))
    .filter((one) => one.change && money(one.change.money) !== "0.00");
  const rises = moved.filter((one) => one.change.money > 0).sort((a, b) => b.change.money - a.change.money);
  const falls = moved.filter((one) => one.change.money < 0).sort((a, b) => a.change.money - b.change.money);
  return box.replaceChildren(moversNode("Rises", rises, base, month), moversNode("Falls", falls, base, month));
}

function moversAbout(month, base) {
  if (!base) return `${monthLabel(month)} can't be compared: it or the month before isn't there.`;
  return `By ${cutLabel(view.by).toLowerCase()}: ${monthLabel(month)} against ${base.label}${base.isSameDays ? ", the same days of the month before" : ""}.`;
}

function moversNode(title, moved, base, month) {
  const columns = [
    { label: cutLabel(view.by) },
    { label: base.label, number: true },
    { label: month.name, number: true },
    { label: "Change", number: true },
    { label: "%", number: true },
  ];
  const rows = moved
    .slice(0, MOVERS)
    .map(({ row, now, before, change }) => [
      nameCell(row),
      costNode(before),
      costNode(now),
      el("b", { title: String(change.money) }, signed(change.money)),
      now?.rows ? change.text : "gone",
    ]);
  return el("div", {}, el("h3", {}, title), rows.length ? tableNode(title, columns, rows) : el("p", {}, "None."));
}

// The bill that stands in the page, and which part of it is chosen. The choice is in the address, after the #.

const data = JSON.parse(part("bill").textContent);
for (const cut of data.cuts) {
  cut.values = cut.values.map(valueOf);
  cut.others &&= valueOf(cut.others);
}
const RESOURCE = "resource";
const PAPER_ROWS = 150;
let printing = false;

const application = data.cuts.findIndex((cut) => cut.key === "application");
const months = data.months.map((month, index) => ({ ...month, index, name: monthName(month.month) }));
const realMonths = months.filter((month) => !month.is_comparison);
const resources = data.resources.map(([id, values, cells]) => ({ id, key: id.toLowerCase(), values, cells }));

const filled = new Set(cellsOfAll().map(([month]) => month));

/** What is chosen: month (null: all), currency, the cut to divide by, and the values drilled into. */
let view = null;

function valueOf([name, detail, resources, cells]) {
  return { name, detail, resources, cells };
}

function cellsOfAll() {
  const cut = data.cuts[application];
  return [...cut.values, ...(cut.others ? [cut.others] : [])].flatMap((value) => value.cells);
}

function isOpen(month) {
  return month.through !== null && !month.is_comparison;
}

function monthLabel(month) {
  if (isOpen(month)) return `${month.name} so far, to ${dayName(month.through)}`;
  return month.name;
}

/** Return the month that a month is compared with: the same days of the one before if it is still open. */
function baseOf(month) {
  const next = months[month.index + 1];
  if (next?.is_comparison) {
    return { ...next, label: `1${DASH}${dayName(next.through)}`, isSameDays: true };
  }
  const before = realMonths[realMonths.indexOf(month) - 1];
  if (!before || !filled.has(before.index) || !filled.has(month.index)) return null;
  return { ...before, label: monthLabel(before), isSameDays: false };
}

/** Return the month that the tiles show: the one chosen, or the newest that has rows. */
function shownMonth() {
  if (view.month !== null) return months[view.month];
  return realMonths.findLast((month) => filled.has(month.index)) ?? realMonths.at(-1);
}

function cutOf(key) {
  return data.cuts.find((cut) => cut.key === key);
}

function cutLabel(key) {
  return key === RESOURCE ? "Resource" : cutOf(key).label;
}

/** Name a value of a cut: what is listed, what has none, what isn't listed. */
function valueLabel(key, place) {
  const cut = cutOf(key);
  if (place < 0) return `${COUNT.format(cut.other_count)} others`;
  const name = cut.values[place].name;
  if (name !== null) return name;
  if (cut.key.startsWith("tag:")) return `without the tag ${cut.key.slice(4)}`;
  const label = cut.label.toLowerCase();
  return `without ${/^[aeiou]/i.test(label) ? "an" : "a"} ${label}`;
}

function shortId(id) {
  return id === "" ? "without a resource id" : (id.split("/").findLast((segment) => segment !== "") ?? id);
}

/** Say where a resource is: its group and type, or all of its id; nothing if its name is all of it. */
function placeOf(id) {
  const [, group, type] = /\/resourceGroups\/([^/]+)\/providers\/(.+)\/[^/]+$/i.exec(id) ?? [];
  if (group) return `${group} \u00B7 ${type}`;
  return id === shortId(id) ? "" : id;
}

function filterLabel(filter) {
  return filter.cut === RESOURCE ? shortId(filter.id) : valueLabel(filter.cut, filter.value);
}

function matches(resource, filter) {
  if (filter.cut === RESOURCE) return resource.key === filter.id.toLowerCase();
  return resource.values[data.cuts.indexOf(cutOf(filter.cut))] === filter.value;
}

function membersOf(path) {
  return resources.filter((resource) => path.every((filter) => matches(resource, filter)));
}

/** Return the cells of everything that a path leads to, or null if only those of listed resources are known. */
function wholeCells(path) {
  const chosen = (cells) => cells.filter(([, currency]) => currency === view.currency);
  if (path.length === 0) return chosen(cellsOfAll());
  if (path.length > 1 || path[0].cut === RESOURCE) return null;
  const cut = cutOf(path[0].cut);
  return chosen((path[0].value < 0 ? cut.others : cut.values[path[0].value]).cells);
}

/** How many distinct resources a path leads to, in all currencies. */
function resourceCount(path) {
  if (path.length === 0) return data.resource_count;
  const cut = cutOf(path[0].cut);
  return (path[0].value < 0 ? cut.others : cut.values[path[0].value]).resources;
}

function newRow(label, attributes) {
  return {
    label,
    detail: "",
    title: "",
    filter: null,
    isLast: false,
    isNone: false,
    months: new Map(),
    total: new Amount(),
    ...attributes,
  };
}

function addCells(row, cells, sign = 1) {
  for (const cell of cells) {
    const [month, currency] = cell;
    if (currency !== view.currency) continue;
    if (!row.months.has(month)) row.months.set(month, new Amount());
    row.months.get(month).add(cell, sign);
    if (!months[month].is_comparison) row.total.add(cell, sign);
  }
  return row;
}

function valueRow(key, place, detail, cells) {
  const isNone = place >= 0 && cutOf(key).values[place].name === null;
  const attributes = { detail, isNone, isLast: place < 0, filter: { cut: key, value: place } };
  return addCells(newRow(valueLabel(key, place), attributes), cells);
}

function resourceRow(resource) {
  return newRow(shortId(resource.id), {
    detail: placeOf(resource.id),
    title: resource.id,
    filter: { cut: RESOURCE, id: resource.id },
  });
}

/** Divide listed resources by a cut, or into themselves; one resource is one row whatever its case. */
function rowsOfMembers(members, by) {
  const rows = new Map();
  const cut = data.cuts.findIndex((one) => one.key === by);
  for (const resource of members) {
    const key = by === RESOURCE ? resource.key : resource.values[cut];
    if (!rows.has(key)) {
      const isListed = by !== RESOURCE && key >= 0;
      rows.set(
        key,
        by === RESOURCE
          ? resourceRow(resource)
          : valueRow(by, key, isListed ? data.cuts[cut].values[key].detail : "", []),
      );
    }
    addCells(rows.get(key), resource.cells);
  }
  return [...rows.values()];
}

/** Return what a value has besides its listed resources, as the row that makes the sum whole; null if nothing. */
function remainderRow(path, members) {
  const row = newRow("", { isLast: true });
  addCells(row, wholeCells(path));
  for (const resource of members) addCells(row, resource.cells, -1);
  if (![...row.months.values()].some((amount) => amount.rows !== 0)) return null;
  const count = resourceCount(path) - new Set(members.map((resource) => resource.key).filter((key) => key !== "")).size;
  const isCounted = count > 0 && data.currencies.length === 1;
  row.label = `${isCounted ? counted(count, "more resource") : "more resources"}, not listed one by one`;
  return row;
}

/** Divide what a path leads to; rows, their total, and whether resources that aren't listed may be missing. */
function divide(path, by) {
  let rows;
  let isPartial = false;
  if (path.length === 0 && by !== RESOURCE) {
    const cut = cutOf(by);
    rows = cut.values.map((value, place) => valueRow(by, place, value.detail, value.cells));
    if (cut.others) rows.push(valueRow(by, -1, "", cut.others.cells));
  } else {
    const members = membersOf(path);
    rows = rowsOfMembers(members, by);
    if (wholeCells(path) !== null) rows.push(remainderRow(path, members));
    else isPartial = path.every((filter) => filter.cut !== RESOURCE && remainderRow([filter], membersOf([filter])));
  }
  rows = rows.filter((row) => row && row.months.size > 0);
  return { rows, isPartial, total: sumOf("TOTAL", path, rows) };
}

function sumOf(label, path, rows) {
  const row = newRow(label, {});
  const whole = label === "TOTAL" ? wholeCells(path) : null;
  if (whole !== null) return addCells(row, whole);
  for (const one of rows) {
    for (const [month, amount] of one.months) {
      addCells(row, [[month, view.currency, amount.cost, amount.tax, amount.rows, amount.unknown]]);
    }
  }
  return row;
}

/** Read the choice from the address; what this bill doesn't have is left out. */
function readView() {
  const address = new URLSearchParams(location.hash.slice(1));
  const month = realMonths.find((one) => one.month.slice(0, 7) === address.get("month"));
  const path = [];
  for (const [name, text] of address) {
    const filter = readFilter(name, text);
    if (filter && !path.some((one) => one.cut === filter.cut)) path.push(filter);
  }
  const choices = cutChoices(path);
  const by = address.get("by");
  return {
    month: month ? month.index : null,
    currency: Math.max(0, data.currencies.indexOf(address.get("currency"))),
    by: choices.includes(by) ? by : choices[0],
    path,
  };
}

/** Read a value drilled into: in.CUT=NAME, without.CUT, others.CUT, or in.resource=ID. */
function readFilter(name, text) {
  const [, kind, key] = /^(in|without|others)\.(.+)$/s.exec(name) ?? [];
  if (kind === "in" && key === RESOURCE) return { cut: RESOURCE, id: text };
  const cut = kind && cutOf(key);
  if (!cut) return null;
  if (kind === "others") return cut.others ? { cut: key, value: -1 } : null;
  const wanted = kind === "without" ? null : text;
  const place = cut.values.findIndex((value) => addressOf(value) === wanted);
  return place < 0 ? null : { cut: key, value: place };
}

/** A value's name in the address: with its detail, since two subscriptions may have the same name. */
function addressOf({ name, detail }) {
  return name !== null && detail ? `${name} (${detail})` : name;
}

function writeView(changed) {
  const address = new URLSearchParams();
  if (changed.month !== null) address.set("month", months[changed.month].month.slice(0, 7));
  if (changed.currency !== 0) address.set("currency", data.currencies[changed.currency]);
  address.set("by", changed.by);
  for (const filter of changed.path) {
    if (filter.cut === RESOURCE) address.append(`in.${RESOURCE}`, filter.id);
    else if (filter.value < 0) address.append(`others.${filter.cut}`, "");
    else {
      const name = addressOf(cutOf(filter.cut).values[filter.value]);
      address.append(name === null ? `without.${filter.cut}` : `in.${filter.cut}`, name ?? "");
    }
  }
  return address.toString();
}

/** By what a path can be divided further: cuts it doesn't hold yet, and resources. */
function cutChoices(path) {
  const free = data.cuts.map((cut) => cut.key).filter((key) => !path.some((filter) => filter.cut === key));
  return path.some((filter) => filter.cut === RESOURCE) ? free : [...free, RESOURCE];
}

/** Choose something else; the page follows the address, so that Back works. */
function choose(change) {
  location.hash = writeView({ ...view, ...change });
}

function drill(filter, change = {}) {
  const path = [...view.path, filter];
  const choices = cutChoices(path);
  choose({ ...change, path, by: choices.includes(RESOURCE) ? RESOURCE : choices[0] });
}

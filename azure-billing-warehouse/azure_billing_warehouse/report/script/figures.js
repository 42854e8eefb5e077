// Sums, and how money, percentages, months and instants are written.

const MONEY = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const COUNT = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DASH = "\u2013";

/** A sum that keeps what each addition would lose (Neumaier), so that the order of many costs doesn't matter. */
class Sum {
  #sum = 0;
  #lost = 0;

  add(number) {
    const next = this.#sum + number;
    this.#lost += Math.abs(this.#sum) >= Math.abs(number) ? this.#sum - next + number : number - next + this.#sum;
    this.#sum = next;
    return this;
  }

  get value() {
    return this.#sum + this.#lost;
  }
}

/** Cost of some rows, of which some may be unknown: those are in no sum. */
class Amount {
  #cost = new Sum();
  #tax = new Sum();
  rows = 0;
  unknown = 0;

  /** Add a cell's figures, or take them away with sign -1. */
  add([, , cost, tax, rows, unknown], sign = 1) {
    this.#cost.add(sign * cost);
    this.#tax.add(sign * tax);
    this.rows += sign * rows;
    this.unknown += sign * unknown;
    return this;
  }

  get cost() {
    return this.#cost.value;
  }

  get tax() {
    return this.#tax.value;
  }

  get isUnknown() {
    return this.rows > 0 && this.unknown === this.rows;
  }
}

function total(numbers) {
  return numbers.reduce((sum, number) => sum.add(number), new Sum()).value;
}

function money(number) {
  const text = MONEY.format(number);
  return text === "-0.00" ? "0.00" : text;
}

function signed(number) {
  const text = money(number);
  return number > 0 && text !== "0.00" ? `+${text}` : text;
}

/** Write a part of a whole as a percentage; a whole that isn't positive has none. */
function percentage(part, whole, sign = "") {
  if (!(whole > 0)) return DASH;
  const text = ((100 * part) / whole).toFixed(1);
  return `${sign && part > 0 && text !== "0.0" ? sign : ""}${text === "-0.0" ? "0.0" : text} %`;
}

/** Write what part of a whole an amount is; that of an unknown cost is unknown. */
function shareOf(amount, whole) {
  return amount?.isUnknown ? "unknown" : percentage(amount?.cost ?? 0, whole?.cost ?? 0);
}

function counted(number, noun) {
  return `${COUNT.format(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** Write a sum of known costs and how many rows it lacks. */
function costText(cost, rows, unknown) {
  if (rows > 0 && unknown === rows) return "unknown";
  return unknown > 0 ? `${money(cost)} + ${counted(unknown, "row")} of unknown cost` : money(cost);
}

/** Put separators into exact decimal digits. */
function grouped(digits) {
  const [, sign, whole, rest] = /^(-?)(\d+)(.*)$/.exec(digits) ?? [null, "", "", digits];
  return sign + whole.replace(/\B(?=(\d{3})+$)/g, ",") + rest;
}

function monthName(date) {
  return `${MONTHS[Number(date.slice(5, 7)) - 1]} ${date.slice(0, 4)}`;
}

function dayName(date) {
  return `${Number(date.slice(8, 10))} ${MONTHS[Number(date.slice(5, 7)) - 1]}`;
}

function instant(text) {
  const utc = new Date(text).toISOString();
  return `${dayName(utc)} ${utc.slice(0, 4)}, ${utc.slice(11, 16)} UTC`;
}

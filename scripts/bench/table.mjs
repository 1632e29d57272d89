// How figures are shown.

/** A table with a line above it; each row is a name, then cells. */
export function table(title, head, rows) {
  console.log(`\n${title}\n`);
  for (const [name, ...cells] of [['', ...head], ...rows]) {
    console.log(name.padEnd(30) + cells.map((cell) => cell.padStart(15)).join(''));
  }
}

/** A whole number for people. */
export const whole = (number) => number.toLocaleString('en', { maximumFractionDigits: 0 });

/** A number with two decimals. */
export const fine = (number) => number.toFixed(2);

/** What is wanted of a ratio, if anything: at `least`, or at `most`. */
export function target({ least, most } = {}) {
  const shown = (number) => (Number.isInteger(number) ? whole(number) : fine(number));
  if (least !== undefined) return `≥ ${shown(least)}`;
  return most === undefined ? '' : `≤ ${shown(most)}`;
}

/** Whether a ratio is as wanted; none where nothing is. */
export function isMet({ value, least = -Infinity, most = Infinity }) {
  return least === -Infinity && most === Infinity ? undefined : value >= least && value <= most;
}

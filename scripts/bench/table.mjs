// How figures are shown.

/** One line: a name, then cells. */
export function print([name, ...cells]) {
  console.log(name.padEnd(30) + cells.map((cell) => cell.padStart(15)).join(''));
}

/** A table with a line above it. */
export function table(title, head, rows) {
  console.log(`\n${title}\n`);
  [['', ...head], ...rows].forEach(print);
}

/** A whole number for people. */
export const whole = (number) => number.toLocaleString('en', { maximumFractionDigits: 0 });

/** A number with two decimals. */
export const fine = (number) => number.toFixed(2);

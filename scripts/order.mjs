// In which order the functions of a module stand, so that gzip makes the least of them.
//
// gzip sees 32 KiB back, and what is nearer costs it less. So each function is followed by the one that has most in common
// with what stands before it.

/** How far gzip looks back; and what is near. What is seen in both counts half as much again. */
const WINDOWS = [{ bytes: 32_768, weight: 1 }, { bytes: 4096, weight: 0.5 }];

/** What functions have in common are pieces of these lengths: what gzip finds is longer than the shorter, and better long. */
const PIECES = [6, 12];

/** The name of each function says where it belongs: for `wasm-opt --reorder-functions-by-name`. */
export function nameInOrder(module) {
  const sections = read(module);
  const { imported, bodies } = functions(sections);
  const names = [];
  inOrder(bodies).forEach((at, place) => { names[at] = String(place).padStart(6, '0'); });
  const kept = sections.filter(({ id, content }) => id !== 0 || text(content, 0) !== 'name');
  const map = names.map((name, at) => Buffer.concat([number(imported + at), sized(Buffer.from(name))]));
  const subsection = sized(Buffer.concat([number(map.length), ...map]));
  const named = Buffer.concat([sized(Buffer.from('name')), Buffer.from([1]), subsection]);
  const written = [...kept, { id: 0, content: named }];
  return Buffer.concat([
    module.subarray(0, 8),
    ...written.flatMap(({ id, content }) => [Buffer.from([id]), sized(content)]),
  ]);
}

/** The functions, as indexes: each time the one of which the largest part is seen; the smaller of two sooner. */
function inOrder(bodies) {
  const pieces = piecesOf(bodies);
  const having = [];
  pieces.forEach((own, at) => own.forEach((piece) => (having[piece] ??= []).push(at)));
  const seen = new Float64Array(bodies.length);
  const open = new Set(bodies.keys());
  const order = [];
  const windows = WINDOWS.map((window) => ({ ...window, times: new Int32Array(having.length), size: 0, first: 0 }));

  const enter = ({ times, weight }, at) => {
    for (const piece of pieces[at]) if (times[piece]++ === 0) for (const other of having[piece]) seen[other] += weight;
  };
  const leave = ({ times, weight }, at) => {
    for (const piece of pieces[at]) if (--times[piece] === 0) for (const other of having[piece]) seen[other] -= weight;
  };
  const costs = pieces.map((own) => (own.length + 30) ** 0.8);
  for (let next = 0; next !== undefined; next = best(open, seen, costs)) {
    open.delete(next);
    order.push(next);
    for (const window of windows) {
      enter(window, next);
      window.size += bodies[next].length;
      for (; window.size > window.bytes && window.first < order.length - 1; window.first += 1) {
        window.size -= bodies[order[window.first]].length;
        leave(window, order[window.first]);
      }
    }
  }
  return order;
}

function best(open, seen, costs) {
  let found;
  let most = -1;
  for (const at of open) {
    const share = seen[at] / costs[at];
    if (share > most) [found, most] = [at, share];
  }
  return found;
}

/** The different pieces of each function, as numbers. */
function piecesOf(bodies) {
  const numbers = new Map();
  return bodies.map((body) => {
    const own = new Set();
    for (const length of PIECES) {
      for (let at = 0; at + length <= body.length; at += 1) {
        const piece = body.toString('latin1', at, at + length);
        if (!numbers.has(piece)) numbers.set(piece, numbers.size);
        own.add(numbers.get(piece));
      }
    }
    return [...own];
  });
}

/** The sections of a module (WebAssembly 2.0 §5.5.2). */
function read(module) {
  const sections = [];
  for (const reader = { module, at: 8 }; reader.at < module.length;) {
    const id = byte(reader);
    sections.push({ id, content: Buffer.from(bytes(reader, leb(reader))) });
  }
  return sections;
}

/** How many functions are imported, and the bodies of the others (§5.5.5, §5.5.13). */
function functions(sections) {
  const content = (wanted) => ({ module: sections.find(({ id }) => id === wanted).content, at: 0 });
  const imports = content(2);
  const imported = times(imports, () => importKind(imports)).filter((kind) => kind === 0).length;
  const code = content(10);
  return { imported, bodies: times(code, () => bytes(code, leb(code))) };
}

/** Reads over one import; 0 is the kind of a function, then table, memory, global, tag. */
function importKind(reader) {
  bytes(reader, leb(reader));
  bytes(reader, leb(reader));
  const kind = byte(reader);
  if (kind === 1 || kind === 4) byte(reader);
  if (kind === 0 || kind === 4) leb(reader);
  if (kind === 1 || kind === 2) for (let bounds = leb(reader) & 1 ? 2 : 1; bounds > 0; bounds -= 1) leb(reader);
  if (kind === 3) bytes(reader, 2);
  return kind;
}

const times = (reader, readOne) => Array.from({ length: leb(reader) }, readOne);
const byte = (reader) => reader.module[reader.at++];
const text = (content, at) => bytes({ module: content, at: at + 1 }, content[at]).toString();
const sized = (content) => Buffer.concat([number(content.length), content]);

function bytes(reader, length) {
  reader.at += length;
  return reader.module.subarray(reader.at - length, reader.at);
}

/** An unsigned LEB128 (§5.2.2), of at most 32 bits. */
function leb(reader) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const part = byte(reader);
    value += (part & 0x7f) * 2 ** shift;
    if (part < 0x80) return value;
  }
}

function number(value) {
  const parts = [];
  for (; value > 0x7f; value >>>= 7) parts.push((value & 0x7f) | 0x80);
  return Buffer.from([...parts, value]);
}

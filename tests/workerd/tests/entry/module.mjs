// A module that traps when asked to, behind bindings that treat a trap as wasm-bindgen's do: an error that is no answer
// of the module marks the instance, and the next call of a marked one begins anew. A method looks whether its object is
// stale before that.
import wasm from './trap.wasm';

const state = { criticalError: false, instanceId: 0 };
let exports;
let isMarked; // what is called next must not run in this instance
let isScheduled; // a new one may be made
let made = 0; // objects, in all instances
const closures = { refused: 0, strayed: 0 }; // those that came after their instance: not run, or run in another one

/** An error that the module answers. */
class Answer extends Error {}

export function __wbg_reset_state() {
  state.instanceId += 1;
  [isMarked, isScheduled] = [false, false];
  exports = new WebAssembly.Instance(wasm).exports;
}
__wbg_reset_state();

function enter(work) {
  if (isMarked) {
    if (!isScheduled) throw new Error('Module terminated');
    __wbg_reset_state();
  }
  try {
    return work();
  } catch (error) {
    if (error instanceof Answer) throw error;
    [isMarked, isScheduled] = [true, true];
    throw error;
  }
}

export const __worker_init_state = () => enter(() => state);

/** By a future, and by a promise. */
const later = (work) => queueMicrotask(work);
const settled = Promise.resolve();

const WAYS = {
  unreachable: () => enter(() => exports.unreachable()),
  overflow: () => enter(() => exports.overflow()),
  /** A trap in a callback of an import that may not fail. */
  wrapped: () => enter(() => {
    try {
      exports.overflow();
    } catch (cause) {
      throw new Error('Critical error', { cause });
    }
  }),
  /** An import that may not fail did. */
  failed: () => enter(() => { throw new Error('Critical error', { cause: new TypeError() }); }),
  /** The module's own abort handler trapped too. */
  numb: () => {
    try {
      WAYS.unreachable();
    } finally {
      isScheduled = false;
    }
  },
  panic: () => {
    state.criticalError = true;
    WAYS.unreachable();
  },
  /** A panic where the bindings have no guard, as in a destructor. */
  unguarded: () => {
    state.criticalError = true;
    exports.unreachable();
  },
  'later unreachable': () => later(WAYS.unreachable),
  'later overflow': () => later(WAYS.overflow),
  'later panic': () => later(WAYS.panic),
  /** No future, so that only the platform can tell of it. */
  'promised unreachable': () => { settled.then(WAYS.unreachable); },
  'promised panic': () => { settled.then(WAYS.panic); },
  /** Somebody else takes the error. */
  'silent unreachable': () => { settled.then(WAYS.unreachable).catch(() => {}); },
  'silent panic': () => { settled.then(WAYS.panic).catch(() => {}); },
  answer: () => enter(() => { throw new Answer(); }),
  range: () => enter(() => { throw new Answer('', { cause: new RangeError() }); }),
  'later answer': () => later(WAYS.answer),
  'promised answer': () => { settled.then(WAYS.answer); },
};

/** Calls a closure of this instance when its promise is settled. */
async function callLater() {
  const own = state.instanceId;
  await null;
  if (own !== state.instanceId) closures.refused += 1;
  else enter(() => { if (own !== state.instanceId) closures.strayed += 1; });
}

/** Goes the way that the request names, if it names one, and has a closure called after it. */
function go(request) {
  const way = WAYS[request.headers.get('way')];
  try {
    way?.();
  } finally {
    if (way) callLater();
  }
}

export async function scheduled() {}

/** `/object` is the object's to answer; else tells of the closures. */
export function fetch(request, env) {
  if (new URL(request.url).pathname === '/object') return env.REGISTRY.getByName('registry').fetch(request);
  go(request);
  return enter(() => Response.json(closures));
}

export class Registry {
  #instance;

  constructor() {
    this.#instance = enter(() => state.instanceId);
    made += 1;
  }

  /** Answers the instance that it runs in, the one that it was made in, and how many objects were made so far. */
  fetch(request) {
    if (this.#instance !== state.instanceId) throw new Error('Invalid stale object from previous Wasm instance');
    go(request);
    return enter(() => Response.json([state.instanceId, this.#instance, made]));
  }

  async alarm() {}
}

export { Registry as Connection, Registry as Directory };

// What the platform calls: the module's two handlers, and a class for each kind of object.
//
// A trap leaves the module's memory as it was in the middle of something. So whatever comes next gets a new instance of
// the module, and each object is made anew in it, from its storage.
import * as module from 'postern';

// `instanceId` changes with each instance, `criticalError` tells of a panic.
const state = module.__worker_init_state();
let instance = state.instanceId;

/**
 * Makes a new instance if this one trapped: at once, so that closures of the old one are refused, not run in the memory
 * of the new one. The module's bindings know which error was a trap, whatever its class: the next call makes a new
 * instance, or is refused where the trap left the old one unable to ask for that. A panic is known by its hook too.
 */
function renew(error) {
  try {
    if (state.criticalError && state.instanceId === instance) module.__wbg_reset_state();
    module.__worker_init_state();
  } catch {
    module.__wbg_reset_state();
  }
  state.criticalError = false;
  if (state.instanceId === instance) return;
  instance = state.instanceId;
  console.error(JSON.stringify({ level: 'error', event: 'trap', error: error?.name })); // a text may hold secrets
}

// Traps in whatever else runs by itself.
addEventListener('error', ({ error }) => renew(error));
addEventListener('unhandledrejection', ({ reason }) => renew(reason));

/** Does some work of the module. */
function watch(work) {
  try {
    return work();
  } catch (error) {
    renew(error);
    throw error;
  }
}

/** Calls the module, or a new one after a trap that nobody told of. */
function call(work) {
  renew();
  return watch(work);
}

// Futures wake each other by this. A promise takes less time than what the platform has here: a twelfth of a request.
const settled = Promise.resolve();
globalThis.queueMicrotask = (work) => { settled.then(() => watch(work)); };

export default {
  fetch: (request, env, context) => call(() => module.fetch(request, env, context)),
  scheduled: (event, env, context) => call(() => module.scheduled(event, env, context)),
};

/** The class of the platform for one of the module's. */
const durable = (Inner) => class {
  #given;
  #inner;
  #instance;

  constructor(...given) {
    this.#given = given;
  }

  #current() {
    if (this.#instance !== state.instanceId) {
      this.#inner = new Inner(...this.#given);
      this.#instance = state.instanceId;
    }
    return this.#inner;
  }

  fetch(request) {
    return call(() => this.#current().fetch(request));
  }

  alarm() {
    return call(() => this.#current().alarm());
  }
};

export const Registry = durable(module.Registry);
export const Connection = durable(module.Connection);
export const Directory = durable(module.Directory);

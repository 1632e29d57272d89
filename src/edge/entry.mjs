// What the platform calls: the module's two handlers, and a class for each kind of object.
//
// A trap leaves the module's memory as it was in the middle of something. So whatever comes next gets a new instance of
// the module, and each object is made anew in it, from its storage.
import * as module from 'postern';

// Futures wake each other by this or, where it is missing, by a promise: of a request, that saves a twelfth of the time.
globalThis.queueMicrotask = undefined;

const state = module.__worker_init_state(); // `instanceId` changes with each instance, `criticalError` tells of a panic

/** Takes note when it is a trap. */
function note(error) {
  if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
}

// Traps in whatever runs by itself, such as a future.
addEventListener('error', ({ error }) => note(error));
addEventListener('unhandledrejection', ({ reason }) => note(reason));

/** Calls the module, or a new one after a trap. */
function call(work) {
  if (state.criticalError) {
    module.__wbg_reset_state();
    state.criticalError = false;
  }
  try {
    return work();
  } catch (error) {
    note(error);
    throw error;
  }
}

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

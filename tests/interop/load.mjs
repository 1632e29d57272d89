// Load on every route at once: the npm package `autocannon`. Each of its connections goes through the same flows of
// requests again and again, each in an order of its own, with names of its own, and with what earlier answers said.
import autocannon from 'autocannon';
import { converse } from './conversation.mjs';

/** How many answers that are not as expected are told in full. */
const TOLD = 20;

/** Answers by route and status; the longest wait for one by route, in milliseconds; the first that are not as expected. */
const answers = {};
const slowest = {};
const unexpected = [];
/** Requests that nobody has answered yet, by id; how many there were; how many were lost with their connection. */
const asked = new Map();
let number = 0;
let lost = 0;
let running;
let result;

/** Begins, and does not wait for the end: that is after so many seconds, or after so many rounds of each connection. */
async function begin({ url, connections, seconds, rounds, variables, flows }) {
  let lane = 0;
  const setupClient = (client) => client.setRequests(requests(flows, variables, lane++));
  const length = seconds ? { duration: seconds } : { amount: connections * flows.flat().length * rounds };
  result = undefined;
  running = autocannon({ url, connections, ...length, setupClient }).then((end) => (result = end));
}

async function hasEnded() {
  return result !== undefined;
}

/**
 * What came of it, once it has ended; answers and losses are those since the program began. `failed` is how many answers
 * were 5xx, counted by the package: one that the runtime itself gave has no id, and is none of `answers`.
 */
async function report() {
  const { requests: { total }, latency, timeouts, '5xx': failed } = await running;
  const { p50, p99, max } = latency;
  return { total, failed, lost, timeouts, latency: { p50, p99, max }, slowest, answers, unexpected };
}

/** The requests of a connection, beginning with a flow of its own. */
function requests(flows, variables, lane) {
  const first = lane % flows.length;
  const state = { own: { lane, ...map(variables, (text) => fill(text, { lane })) }, waiting: undefined };
  const steps = [...flows.slice(first), ...flows.slice(0, first)].flat();
  return steps.map((step, place) => request(step, place, state));
}

/**
 * A request that is filled in when it is its turn. Where its predecessor got no answer, the server has ended the connection
 * meanwhile (RFC 9112 §9.5), and it all begins again. The program takes the next answer for that of the lost request, so an
 * answer is known by the id that the request had.
 */
function request(step, place, state) {
  return {
    setupRequest(defaults, context) {
      if (asked.delete(state.waiting)) {
        lost += 1;
        if (place > 0) return null;
      }
      state.waiting = `load-${number++}`;
      const known = { ...state.own, ...context };
      const path = fill(step.path, known);
      asked.set(state.waiting, { step, path, begun: Date.now() });
      const headers = { ...map(step.headers, (text) => fill(text, known)), 'X-Request-ID': state.waiting };
      return { ...defaults, method: step.method, path, headers, body: fill(step.body, known) };
    },
    onResponse(status, text, context, headers) {
      const [, id] = Object.entries(headers).find(([name]) => name.toLowerCase() === 'x-request-id') ?? [];
      if (asked.has(id)) answered(asked.get(id), status, text, context, lines(headers));
      asked.delete(id);
    },
  };
}

function answered({ step, path, begun }, status, text, context, headers) {
  const route = `${step.method} ${step.route}`;
  answers[route] ??= {};
  answers[route][status] = (answers[route][status] ?? 0) + 1;
  slowest[route] = Math.max(slowest[route] ?? 0, Date.now() - begun);
  Object.assign(context, kept(step.keep, `${headers}\n${text}`));
  if (!step.statuses.includes(status) && unexpected.length < TOLD) {
    unexpected.push(`${step.method} ${path}: ${status}, not ${step.statuses}: ${text.slice(0, 300)}`);
  }
}

/** A text with the values of the names in it. */
function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** What the patterns find in an answer, by name. */
function kept(patterns, text) {
  const found = Object.entries(patterns).map(([name, pattern]) => [name, text.match(pattern)?.[1]]);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

function lines(headers) {
  return Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join('\n');
}

function map(object, change) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}

await converse({ begin, hasEnded, report }, (error) => ({ error: String(error) }));

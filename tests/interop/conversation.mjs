// How a test talks to a program: a line of JSON with a task and its input, a line of JSON with the result, again and
// again until the input ends.
import { createInterface } from 'node:readline';

/**
 * Does the tasks that come, one after another: functions, or methods of an object. Where one throws, the result is what
 * `told` makes of that: the error in the library's own words, as `{ error: … }`.
 */
export async function converse(tasks, told) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { task, input } = JSON.parse(line);
    const result = await perform(tasks, task, input).catch((error) => {
      console.error(error);
      return told(error);
    });
    console.log(JSON.stringify(result));
  }
}

/** A task without result has the result null; a library's error may be thrown before there is a promise. */
async function perform(tasks, task, input) {
  return (await tasks[task](input)) ?? null;
}

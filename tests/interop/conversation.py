"""How a test talks to a program: a line of JSON with a task and its input, a line of JSON with the result, again and
again until the input ends."""

import json
import sys
import traceback


def converse(tasks, told):
    """Does the tasks that come, one after another. Where one raises, the result is what `told` makes of that: the error
    in the library's own words, as `{"error": …}`."""
    for line in sys.stdin:
        order = json.loads(line)
        try:
            result = tasks[order["task"]](**order["input"])
        except Exception as error:
            traceback.print_exc()
            result = told(error)
        print(json.dumps(result), flush=True)

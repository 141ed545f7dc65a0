"""Runs in a box, never here: call one function of a program, and print what it returned as JSON.

    python3 _box_call.py PROGRAM FUNCTION MARK     (the arguments as a JSON list on standard input)

MARK tells the result from what the program prints. It is no secret: what is returned is compared outside the box with
what was never in it.
"""

import json
import runpy
import sys


def main() -> None:
    """Print the mark and the result on a line of their own."""
    program, function, mark = sys.argv[1:4]
    arguments = json.load(sys.stdin)
    target = runpy.run_path(program, run_name="program")
    owner, _, name = function.rpartition(".")
    call = getattr(target[owner](), name) if owner else target[name]
    result = call(*arguments)
    sys.stdout.write("\n" + mark + json.dumps(result) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Runs one case on whichever interpreter this is: `one.py ROOT CASE FIXTURES [MODULE_FILE CALLS_FILE]`.

A case reads `sys.argv[3]`, the folder of files made for this run. On CPython, with the last two arguments, the names
of the functions of MODULE_FILE that ran are written to CALLS_FILE: so the runner knows that the case is no empty shell.
"""

import sys


def main(arguments):
    root, case = arguments[:2]
    sys.path[0] = root
    called = set()
    if len(arguments) > 3:
        wanted = arguments[3]

        def notice(frame, event, argument):
            if event == "call" and frame.f_code.co_filename == wanted:
                called.add(frame.f_code.co_name)

        sys.setprofile(notice)
    with open(case) as file:
        source = file.read()
    try:
        exec(compile(source, case, "exec"), {"__name__": "case"})
    finally:
        if len(arguments) > 3:
            sys.setprofile(None)
            with open(arguments[4], "w") as file:
                file.write("\n".join(sorted(called)))


main(sys.argv[1:])

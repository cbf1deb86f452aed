# Runs a python action over the ActionLoop convention: one JSON line in on standard input, one
# JSON line out on descriptor 3. The first line out says whether the action could be loaded.
import functools
import importlib.util
import json
import os
import sys
import traceback


class Refused(Exception):
    pass


def load(directory, name):
    path = os.path.join(directory, "__main__.py")
    if not os.path.isfile(path):
        raise Refused("Zipped actions must contain __main__.py at the root.")
    sys.path.insert(0, directory)
    # Not as `__main__`, so that what a file does when it is run as a program is left out.
    spec = importlib.util.spec_from_file_location("main__", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["main__"] = module
    spec.loader.exec_module(module)
    handler = functools.reduce(lambda value, part: getattr(value, part, None), name.split("."), module)
    if not callable(handler):
        raise Refused(f"Action entrypoint '{name}' is not a function.")
    return handler


def described(error):
    # Without the frames of this file and of the import machinery, which tell the reader nothing.
    if isinstance(error, Refused):
        return str(error)
    told = traceback.TracebackException.from_exception(error)
    frames = [
        frame
        for frame in told.stack
        if frame.filename != __file__ and not frame.filename.startswith("<frozen ")
    ]
    told.stack = traceback.StackSummary.from_list(frames)
    return "".join(told.format()).rstrip()


def run(handler, line):
    call = json.loads(line)
    value = call.pop("value", None)
    for key, setting in call.items():
        text = setting if isinstance(setting, str) else json.dumps(setting)
        os.environ["__OW_" + key.upper()] = text
    try:
        result = handler({} if value is None else value)
        return json.dumps(result, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(result).encode("ascii")
    except Exception as error:
        print(described(error), file=sys.stderr)
        return json.dumps({"error": str(error)}, ensure_ascii=False).encode("utf-8", "replace")


def main():
    directory, name = sys.argv[1:3]
    sys.argv[1:] = []
    # Neither is for the action, nor for what it starts.
    calls = os.fdopen(os.dup(0), "rb")
    sys.stdin = open(os.devnull)
    answers = os.fdopen(3, "wb")
    os.set_inheritable(3, False)

    def answer(text):
        sys.stdout.flush()
        sys.stderr.flush()
        answers.write(text + b"\n")
        answers.flush()

    try:
        handler = load(directory, name)
    except BaseException as error:
        answer(json.dumps({"error": described(error)}).encode("ascii"))
        sys.exit(1)
    answer(b'{"ok":true}')
    for line in calls:
        answer(run(handler, line))


main()

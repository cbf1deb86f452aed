"""A scripted action runtime that misbehaves on command.

It speaks the action container protocol through Python's http.server: HTTP/1.0 answers that end
with the connection, as custom images give them. What it does is told by a word:

- for /init, the action's code: a JSON object, e.g. {"init": "drop", "run": "sleep"};
- for /run, the argument "do", else the "run" of the code, else "ok".

`MOODS` lists the words. "ok" answers how often /init and /run were called and what came in, so
that a test can see which container served it and what exactly it was sent.

Before that, a run with the argument "tell" (host:port) connects there, sends the argument "token"
and a line end, and waits for a byte; and one with "pause" waits for so many seconds.
"""

import json
import os
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SENTINEL = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"
MEBIBYTE = 1024 * 1024

# word: (status, body) of an answer that is well-formed HTTP.
ANSWERS = {
    "error": (502, b'{"error":"e"}'),
    "error-object": (502, b'{"error":{"a":1}}'),
    "bad": (502, b"x"),
    "bad-object": (502, b'{"x":1}'),
    "empty": (200, b""),
    "text": (200, b"x"),
    "string": (200, b'"str"'),
    "number": (200, b"5"),
    "array": (200, b'[1,{"a":2}]'),
    "app-error": (200, b'{"error":1,"other":2}'),
    "big": (200, b'{"big":"' + b"x" * (2 * MEBIBYTE) + b'"}'),
    "unavailable": (503, b'{"error":"shutting down"}'),
}

state = {"inits": 0, "runs": 0, "script": {}, "init": None}


def log(text, sentinels=True):
    """Prints to both streams as an action would, and ends each with the sentinel."""
    for stream in (sys.stdout, sys.stderr):
        stream.write(text)
        if sentinels:
            stream.write(SENTINEL + "\n")
        stream.flush()


def tell(address, token):
    """Lets somebody count this run, before anything else of it is done."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as counter:
        counter.sendall(b"%d\n" % token)
        counter.recv(1)


def flood():
    """Prints 100 MB in lines of 1 KiB."""
    line = b"y" * 1023 + b"\n"
    for _ in range(100 * 1024):
        os.write(1, line)


def fork():
    """Starts processes until the kernel refuses, 4000 at most; answers how many it got."""
    children = []
    try:
        while len(children) < 4000:
            # A small program: it is the number that is to reach its limit, not the memory.
            children.append(os.posix_spawn("/bin/sleep", ["sleep", "600"], {}))
    except OSError:
        pass
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return {"forked": len(children)}


def allocate():
    """Takes memory and touches it until it is killed."""
    held = []
    while True:
        held.append(b"z" * (16 * MEBIBYTE))


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Keeps the access log out of the action's log."""

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length) or b"{}")
        if self.path == "/init":
            self.init(body)
        elif self.path == "/run":
            self.run(body)
        else:
            self.answer(404, b'{"error":"no such path"}')

    def init(self, body):
        state["inits"] += 1
        state["init"] = body
        try:
            script = json.loads(body["value"].get("code") or "{}")
            state["script"] = script if isinstance(script, dict) else {}
        except ValueError:
            state["script"] = {}
        mood = state["script"].get("init", "ok")
        if mood == "ok":
            self.answer(200, b'{"ok":true}')
        else:
            self.behave(mood, body)

    def run(self, body):
        state["runs"] += 1
        value = body.get("value")
        value = value if isinstance(value, dict) else {}
        if "tell" in value:
            tell(value["tell"], value["token"])
        time.sleep(value.get("pause", 0))
        mood = value.get("do")
        self.behave(mood or state["script"].get("run", "ok"), body)

    def behave(self, mood, body):
        if mood == "no-sentinels":
            log("no end in sight\n", sentinels=False)
        elif mood == "flood":
            flood()
            log("")
        elif mood not in ("drop", "exit", "sleep"):
            log("mood %s\n" % mood)

        if mood in ("ok", "no-sentinels", "flood"):
            seen = {key: state[key] for key in ("inits", "runs", "init")}
            self.answer(200, json.dumps({**seen, "run": body}).encode())
        elif mood in ANSWERS:
            self.answer(*ANSWERS[mood])
        elif mood == "drop":
            self.close_connection = True
            self.connection.shutdown(2)
        elif mood == "exit":
            os._exit(3)
        elif mood == "sleep":
            while True:
                time.sleep(3600)
        elif mood == "fork":
            self.answer(200, json.dumps(fork()).encode())
        elif mood == "allocate":
            allocate()
        elif mood == "chunked":
            self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                     b"Connection: close\r\n\r\n"
                     b'9\r\n{"chunked\r\n7\r\n":true}\r\n0\r\n\r\n')
        elif mood == "cut":
            self.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"cut":')
        elif mood == "garbage":
            self.raw(b"this is no HTTP\r\n\r\n")
        else:
            self.answer(502, json.dumps({"error": "unknown mood %s" % mood}).encode())

    def raw(self, text):
        self.wfile.write(text)
        self.wfile.flush()
        self.close_connection = True

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    # As the first process of a container, it would otherwise ignore SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()

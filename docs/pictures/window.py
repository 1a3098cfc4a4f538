#!/usr/bin/env python3
"""Makes window-light.png and window-dark.png: the real window, on a virtual display, with running streams.

    cargo build && target/venv/bin/python docs/pictures/window.py

`./test` makes the virtual environment, and installs what the display needs.
"""

import json
import os
import pathlib
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "real"))
sys.dont_write_bytecode = True

import desktop  # noqa: E402

ANSWER = """\
A **weir** is a low dam that a river flows over. It keeps the water above it at a steady level.

| part | what it does |
|---|---|
| crest | sets the level above |
| apron | takes the force of the fall |

The flow over a broad crest depends on its width and on the head `h` above it:

```rust
/// Cubic metres a second over a broad crest.
fn flow(width: f64, head: f64) -> f64 {
    1.7 * width * head.powf(1.5)
}
```

1. Read the gauge above the weir.
2. Take the level of the crest from it: that is the head.
3. From there on, the width is all that matters, until the water below stands as high as the crest. \
Then the weir is *drowned*, and the formula no longer holds.
"""

# Words a second, and the number of words after which a model goes silent.
MODELS = {"llama3.2:3b": (22, None), "qwen3:8b": (14, None), "gemma3:4b": (30, 40)}


class Handler(BaseHTTPRequestHandler):
    """The part of Ollama's API that the window uses."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        models = [{"name": name, "model": name, "size": 2_000_000_000} for name in MODELS]
        body = json.dumps({"version": "0.33.0", "models": models}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        rate, silent_after = MODELS[request["model"]]
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        words = [word + " " for word in ANSWER.split(" ")]
        try:
            for word in words[:silent_after]:
                self.record({"model": request["model"], "message": {"role": "assistant", "content": word}})
                time.sleep(1 / rate)
            threading.Event().wait(600)
        except OSError:
            pass

    def record(self, record):
        line = json.dumps({**record, "done": False}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))


def main():
    binary = os.environ.get("TOWLINE_GUI", ROOT / "target" / "debug" / "towline-gui")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    for theme in sys.argv[1:] or ["light", "dark"]:
        with tempfile.TemporaryDirectory() as folder:
            models = list(MODELS)
            asked = {"model": models[0], "theme": theme, "shows_jobs": True}
            with desktop.window(binary, folder, "--host", host, size=(1280, 800), **asked) as window:
                chat(window, "how deep is the lock")
                window.key("Control_L", "n")
                chat(window, "which fish pass a weir")
                window.key("Control_L", "n")
                chat(window, "what does a weir do")
                came = lambda: sum(len(record.get("text", "")) for record in window.session())
                desktop.until(lambda: came() > 640, "most of the answer")
                picture = window.picture()
                picture.quantize(256, dither=0).save(HERE / f"window-{theme}.png", optimize=True)
                window.close()
    server.shutdown()


def chat(window, question):
    window.type(question)
    window.key("Return")
    asked = lambda: any(record.get("content") == question for record in window.session())
    desktop.until(asked, "the question is in the chat's file")


if __name__ == "__main__":
    main()

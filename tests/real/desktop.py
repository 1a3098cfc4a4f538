"""A virtual display: Xvfb, the window on it, keys, the pointer, screenshots."""

import json
import os
import pathlib
import subprocess
import time
from contextlib import contextmanager

from PIL import Image
from Xlib import X, XK
from Xlib.display import Display
from Xlib.ext import xtest
from Xlib.protocol.event import ClientMessage

LONGEST_WAIT_SECONDS = 120


def until(condition, what):
    """Waits until the condition returns a true value, and returns it."""
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, f"timed out waiting for: {what}"
        time.sleep(0.02)
    return found


@contextmanager
def display(width, height):
    """A new virtual display; yields its name."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as pipe:
                number = pipe.readline().strip()
            assert number, "Xvfb did not start"
            yield f":{number}"
        finally:
            server.terminate()


class Window:
    """The window of `towline-gui`, alone on its display."""

    def __init__(self, name, process, data):
        self.process = process
        self.data = data
        self._display = Display(name)
        self._root = self._display.screen().root

    @property
    def _size(self):
        geometry = self._root.get_geometry()
        return geometry.width, geometry.height

    def wait_shown(self):
        """Waits until the window has drawn something."""
        until(self._has_colors, "the window is drawn")
        # There is no window manager to give it the keyboard.
        self._window().set_input_focus(X.RevertToParent, X.CurrentTime)
        self._display.sync()

    def _has_colors(self):
        assert self.process.poll() is None, "the window has ended"
        return len(set(self.picture().resize((160, 100)).get_flattened_data())) > 8

    def picture(self):
        """A screenshot of the display."""
        width, height = self._size
        raw = self._root.get_image(0, 0, width, height, X.ZPixmap, 0xFFFFFFFF)
        return Image.frombytes("RGB", (width, height), raw.data, "raw", "BGRX")

    def key(self, *names):
        """Presses keys together, for example `key("Control_L", "j")`."""
        codes = [self._display.keysym_to_keycode(XK.string_to_keysym(name)) for name in names]
        for code in codes:
            xtest.fake_input(self._display, X.KeyPress, code)
        for code in reversed(codes):
            xtest.fake_input(self._display, X.KeyRelease, code)
        self._display.sync()

    def type(self, text):
        """Types small letters and spaces."""
        for letter in text:
            self.key("space" if letter == " " else letter)

    def click(self, x, y):
        """Clicks at a point of the display."""
        xtest.fake_input(self._display, X.MotionNotify, x=round(x), y=round(y))
        for kind in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self._display, kind, 1)
        self._display.sync()

    def find(self, color, box):
        """The centre of the pixels with this colour inside the box, as fractions of width and height; or None."""
        picture = self.picture()
        left, top, right, bottom = (round(part * side) for part, side in zip(box, self._size * 2))
        pixels = picture.crop((left, top, right, bottom)).load()
        near = [
            (left + x, top + y)
            for x in range(right - left)
            for y in range(bottom - top)
            if all(abs(part - wanted) <= 12 for part, wanted in zip(pixels[x, y], color))
        ]
        if not near:
            return None
        return tuple(sum(place) / len(near) for place in zip(*near))

    def session(self):
        """The records of the newest conversation, as objects."""
        listed = self._history("list", "--json", "-n", "1")
        if not listed:
            return []
        return [json.loads(line) for line in self._history("export", json.loads(listed)["name"]).splitlines()]

    def _history(self, *arguments):
        surroundings = {"HOME": str(self.data.parent), "XDG_DATA_HOME": str(self.data)}
        command = [os.environ["TOWLINE_BIN"], "history", *arguments]
        return subprocess.run(command, env=surroundings, check=True, capture_output=True, text=True).stdout

    def close(self):
        """Closes it as a window manager does; returns its exit status."""
        protocols, delete = (self._display.intern_atom(name) for name in ("WM_PROTOCOLS", "WM_DELETE_WINDOW"))
        window = self._window()
        window.send_event(ClientMessage(window=window, client_type=protocols, data=(32, [delete, 0, 0, 0, 0])))
        self._display.sync()
        return self.process.wait(timeout=LONGEST_WAIT_SECONDS)

    def _window(self):
        shown = [child for child in self._root.query_tree().children if child.get_attributes().map_state]
        return shown[0]


@contextmanager
def window(binary, folder, *arguments, size=(1280, 800), **state):
    """The real window on its own display, without a server in its environment; `state` is its saved state."""
    folder = pathlib.Path(folder)
    data = folder / "data"
    kept = data / "towline" / "window.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True)
        remembered = {"size": list(size), "place": [0, 0], "notifies": False, **state}
        kept.write_text(json.dumps(remembered))
    with display(*size) as name:
        surroundings = {
            "DISPLAY": name,
            "HOME": str(folder),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "PATH": os.environ["PATH"],
            "XDG_DATA_HOME": str(data),
            "XDG_RUNTIME_DIR": str(folder),
        }
        with subprocess.Popen([binary, *arguments], env=surroundings) as process:
            shown = Window(name, process, data)
            try:
                shown.wait_shown()
                yield shown
            finally:
                process.kill()

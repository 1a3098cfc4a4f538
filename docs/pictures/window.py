"""Draws docs/pictures/window-dark.png and window-light.png: the real window, with the built-in model.

    cargo build && cargo build -p towline-gui && python3 docs/pictures/window.py

Needs xvfb, xdotool and imagemagick. It uses no server: nothing may listen at port 11434.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parent.parent.parent
os.environ.setdefault("TOWLINE_BIN", str(ROOT / "target/debug/towline"))
sys.path.insert(0, str(ROOT / "tests/window"))

from test_window import Window, until  # noqa: E402

ANSWER = """A **river** is a natural stream of water on its way to the sea.

1. It begins at a *spring*, a lake or melting ice.
2. Brooks join it: its `tributaries`.

| river | length |
|---|---|
| Nile | 6,650 km |
| Amazon | 6,400 km |

```rust
// How far is it to the sea?
fn distance(river: &River) -> f64 {
    river.legs.iter().map(|leg| leg.length).sum()
}
```
"""


def picture(theme):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder) / "data"
        window = Window(folder, "")
        try:
            draw(window, theme)
        finally:
            window.close()


def draw(window, theme):
    window.xdotool("key", "ctrl+comma")
    window.xdotool("key", "Escape")
    for question in ("Which plants grow in a garden?", "What is a river?", "Tell me a story about a boat."):
        window.click(700, 770)
        window.xdotool("type", "--delay", "15", question)
        window.xdotool("key", "Return")
        until("an answer", lambda: any(record["record"] == "end" for record in window.records()))
        if question != "Tell me a story about a boat.":
            window.xdotool("key", "ctrl+n")
    window.xdotool("key", "ctrl+j")
    subprocess.run(["sleep", "2"], check=True)
    to = ROOT / f"docs/pictures/window-{theme}.png"
    subprocess.run(["import", "-window", "root", "-colors", "200", str(to)], env=window.environment, check=True)


if __name__ == "__main__":
    for theme in ("dark", "light"):
        picture(theme)

"""Draws docs/pictures/run.svg: a terminal with the commands below and their output.

    pip install pyte && cargo build --release && python3 docs/pictures/make.py
"""

import html
import os
import pathlib
import pty
import select
import subprocess

import pyte

ROOT = pathlib.Path(__file__).parent.parent.parent
COLUMNS, CHAR_WIDTH, LINE_HEIGHT, PADDING = 96, 8.43, 19, 18
COMMANDS = [
    'towline run "What is a river?"',
    'towline run --stats "Write a haiku"',
    'towline run --json -o num_predict=4 "Why do rivers bend?" | cut -c 1-88',
    'towline run --host 127.0.0.1:9 hello; echo "status $?"',
]


def typed(command):
    """The output of the command on a terminal of the picture's width."""
    main, terminal = pty.openpty()
    environment = {**os.environ, "PATH": f"{ROOT}/target/release:{os.environ['PATH']}", "TERM": "xterm-256color"}
    environment.pop("OLLAMA_HOST", None)
    subprocess.run(["stty", "cols", str(COLUMNS), "rows", "40"], stdin=terminal, check=True)
    process = subprocess.Popen(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
                               env=environment, cwd=ROOT)
    os.close(terminal)
    shown = b""
    while select.select([main], [], [], 30)[0]:
        try:
            shown += os.read(main, 65536)
        except OSError:
            break
    process.wait()
    return shown.decode()


def lines(shown):
    """The lines that stay on the screen."""
    screen = pyte.Screen(COLUMNS, 40)
    pyte.Stream(screen).feed(shown)
    return "\n".join(line.rstrip() for line in screen.display).rstrip("\n").split("\n")


def svg(rows):
    width = COLUMNS * CHAR_WIDTH + 2 * PADDING
    height = len(rows) * LINE_HEIGHT + 2 * PADDING
    texts = []
    for number, (kind, text) in enumerate(rows):
        y = PADDING + LINE_HEIGHT * number + 14
        colour = {"typed": "#e8e6e3", "shown": "#b9c2cc"}[kind]
        prompt = '<tspan fill="#6fb3d2">$ </tspan>' if kind == "typed" else ""
        texts.append(f'<text x="{PADDING}" y="{y}" fill="{colour}" xml:space="preserve">{prompt}{html.escape(text)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14">'
        f'<rect width="100%" height="100%" rx="8" fill="#1d232a"/>' + "".join(texts) + "</svg>\n"
    )


rows = []
for command in COMMANDS:
    rows.append(("typed", command))
    rows += [("shown", line) for line in lines(typed(command))]
    rows.append(("shown", ""))
(ROOT / "docs/pictures/run.svg").write_text(svg(rows[:-1]))

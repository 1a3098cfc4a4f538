"""A stop button for any program: one thread reads the answer, and another cancels it at once."""

import sys
import threading

import towline


def main(host: str, model: str) -> None:
    stream = towline.Client(host).chat(model, [{"role": "user", "content": "Tell me everything."}], stream=True)
    # Any click or key can call this, from any thread.
    threading.Timer(0.3, stream.cancel).start()
    try:
        for part in stream:
            print(part.message.content, end="", flush=True)
    except towline.CancelledError as error:
        print(f"\nstopped; {len(error.text)} characters are kept")


if __name__ == "__main__":
    main(*sys.argv[1:])

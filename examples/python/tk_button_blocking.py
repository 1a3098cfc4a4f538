"""How not to do it: the button's callback waits for the answer, and the window is frozen until then.

python tk_button_blocking.py HOST MODEL. The right form is tk_button.py.
"""

import sys
import time
import tkinter

import towline

host, model = sys.argv[1:] or ["127.0.0.1:11434", "llama3.2"]
engine = towline.Engine(host)
root = tkinter.Tk()
label = tkinter.Label(root, text="no answer yet", wraplength=400)
label.pack()


def ask():
    begun = time.monotonic()
    label["text"] = engine.chat(model, "What is a river?").result().text  # nothing is drawn or clicked meanwhile
    print(f"the window was dead for {time.monotonic() - begun:.1f} s")


button = tkinter.Button(root, text="Ask", command=ask)
button.pack()
root.mainloop()

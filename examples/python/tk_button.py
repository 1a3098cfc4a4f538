"""A button that asks a model while the window stays responsive: the answer is shown as it arrives.

python tk_button.py HOST MODEL
"""

import sys
import tkinter

import towline
import towline.tk

host, model = sys.argv[1:] or ["127.0.0.1:11434", "llama3.2"]
engine = towline.Engine(host)
root = tkinter.Tk()
label = tkinter.Label(root, text="no answer yet", wraplength=400)
label.pack()
window = towline.tk.attach(root, engine)


async def ask():
    """Runs on the engine's loop, where waiting is free; calls that touch the window run in the window's thread."""
    answer = ""
    async for event in engine.chat(model, "What is a river?"):
        answer += event.text
        await window.call(label.configure, text=answer)
    print(f"shown: {answer.strip()}")


button = tkinter.Button(root, text="Ask")
towline.tk.bind_async(button, ask)
button.pack()
root.mainloop()

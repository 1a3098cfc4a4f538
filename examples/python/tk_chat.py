"""A chat window: answers are shown as they arrive, Esc cancels one, and the window never waits.

python tk_chat.py HOST MODEL
"""

import sys
import tkinter
from tkinter.scrolledtext import ScrolledText

import towline
import towline.tk


class Chat:
    def __init__(self, root, engine, model):
        self.engine, self.model = engine, model
        self.messages, self.job = [], None
        self.text = ScrolledText(root, wrap="word", state="disabled", height=20)
        self.text.pack(fill="both", expand=True)
        self.entry = tkinter.Entry(root)
        self.entry.pack(fill="x")
        self.entry.bind("<Return>", self.send)
        self.entry.bind("<Escape>", self.stop)
        self.status = tkinter.Label(root, anchor="w")
        self.status.pack(fill="x")
        towline.tk.attach(root, engine, self.update)

    def show(self, text):
        self.text.configure(state="normal")
        self.text.insert("end", text)
        self.text.configure(state="disabled")
        self.text.see("end")

    def send(self, _event=None):
        question = self.entry.get().strip()
        if not question or (self.job and not self.job.done):
            return
        self.entry.delete(0, "end")
        self.show(f"> {question}\n")
        self.messages.append({"role": "user", "content": question})
        self.job = self.engine.chat(self.model, self.messages)

    def stop(self, _event=None):
        if self.job:
            self.job.cancel("Esc")

    def update(self, update):
        """Called in Tk's thread, at most once per frame, with all new events of a job."""
        self.show(update.text)
        info = update.info
        self.status["text"] = f"{info.state}, {info.tokens} tokens, {info.tokens_per_second:.0f}/s"
        if update.ended:
            self.messages.append({"role": "assistant", "content": update.job.text})
            self.show("\n\n" if update.job.exception is None else f"\n[{update.job.outcome}]\n\n")


if __name__ == "__main__":
    window, (host, model) = tkinter.Tk(), sys.argv[1:] or ("127.0.0.1:11434", "llama3.2")
    Chat(window, towline.Engine(host), model).entry.focus()
    window.mainloop()

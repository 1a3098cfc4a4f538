"""Three streams in the background: look at them, cancel one, change a timeout, collect, stop cleanly.

python -i repl_walkthrough.py HOST MODEL MODEL MODEL, or type it at a prompt line by line: nothing here blocks it unless it
says that it waits.
"""

import asyncio
import sys

import towline

host, *models = sys.argv[1:] or ["127.0.0.1:11434", "llama3.2", "qwen3", "gemma3"]
engine = towline.Engine(host)

# Three at once. Each call returns a job at once.
rivers, stuck, unwanted = group = engine.gather(*(engine.chat(model, "What is a river?") for model in models))

# Look at them as often as you like, while you do something else.
while not all(job.text or job.done for job in group):
    sum(range(1000))
print(engine.jobs())
print("so far:", rivers.text[:20])

# Cancel one. It is cancelling until its work has ended.
unwanted.cancel("a better idea came up")

# Change the deadline of another while it runs. (How long you wait for it is a separate limit.)
stuck.deadline = 60
stuck.deadline = 0.2

# Collect the results. A job that did not complete raises an error, which has the received text.
print("answer:", rivers.result().text.strip())
for job in (stuck, unwanted):
    try:
        job.result()
    except towline.TowlineError as error:
        print(f"{type(error).__name__}: {len(error.text)} characters came")


# Your own coroutine can be a job too: with a true state, a deadline that can change, and real cancellation.
async def two_questions():
    first = await engine.chat(models[0], "What is a river?")
    await asyncio.sleep(0)
    second = await engine.chat(models[0], f"Shorter: {first}")
    return first.text, second.text


job = engine.submit(two_questions(), deadline=60)
job.extend(10)
print(len(job.result()), "answers from", job.name)

# Stop cleanly, and print which jobs had to be cancelled.
print("cut at the end:", engine.close().cut)

"""Reads one stream with ollama-python and prints this thread's CPU time per record in nanoseconds."""

import sys
import time

import ollama

url, records = sys.argv[1], int(sys.argv[2])
client = ollama.Client(host=url)
before = time.thread_time_ns()
texts = 0
for part in client.chat(model=f"flat:{records}", messages=[{"role": "user", "content": "Hi"}], stream=True):
    if part.message.content:
        texts += 1
assert texts == records, texts
print((time.thread_time_ns() - before) / records)

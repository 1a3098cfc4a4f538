"""A real llama.cpp server on one thread, for as long as standard input stays open.

    python llamacpp_server.py FILE.gguf CONTEXT

Prints its URL on one line. It runs in its own process because its threads and its logging belong to the process.
"""

import os
import socket
import sys


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    path, context = sys.argv[1], int(sys.argv[2])
    output = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.port = free_port()
    params.n_ctx = context
    params.n_parallel = 1
    params.warmup = False
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    # Keys and values with the same precision as in the engine under test.
    params.cache_type_k = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(params)
    print(server.listening_address, file=output, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

"""Starts a stream in both ways; returns the records and the exception."""

import asyncio

import towline

MESSAGES = [{"role": "user", "content": "Why do rivers bend?"}]


def read(host, model, how="sync", **options):
    """All records of a chat, and the exception it ended in, if any."""
    return _read(host, model, **options) if how == "sync" else asyncio.run(_read_async(host, model, **options))


def _read(host, model, **options):
    records = []
    try:
        with towline.Client(host, **options) as client:
            for record in client.chat(model, MESSAGES, stream=True):
                records.append(record)
    except Exception as error:
        return records, error
    return records, None


async def _read_async(host, model, **options):
    records = []
    try:
        async with towline.AsyncClient(host, **options) as client:
            async for record in await client.chat(model, MESSAGES, stream=True):
                records.append(record)
    except Exception as error:
        return records, error
    return records, None


def text(records):
    return "".join(record.message.content or "" for record in records)

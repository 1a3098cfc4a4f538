"""The same assistant with towline: only the import differs, and a cut answer raises an error."""

import sys

from pydantic import BaseModel

import towline as ollama


def length_of(river: str) -> int:
    """How long a river is.

    Args:
        river (str): The river's name

    Returns:
        int: Its length in kilometres
    """
    return {"Rhine": 1233, "Danube": 2850}.get(river, 0)


class River(BaseModel):
    name: str
    length_km: int


def main(host: str, chat_model: str, tool_model: str) -> None:
    client = ollama.Client(host)
    messages = [{"role": "user", "content": "Why do rivers bend?"}]
    try:
        for part in client.chat(chat_model, messages, stream=True):
            print(part["message"]["content"], end="", flush=True)
        print()
    except ollama.TruncatedError as error:
        print(f"\ncut after {len(error.text)} characters; the received text is kept")

    for part in client.chat(tool_model, messages, tools=[length_of], stream=True):
        for call in part.message.tool_calls or []:
            print("asks for", call.function.name, dict(call.function.arguments))

    try:
        client.chat("error-status:404", messages, format=River.model_json_schema())
    except ollama.ResponseError as error:
        print("the server said no:", error.status_code)


if __name__ == "__main__":
    main(*sys.argv[1:])

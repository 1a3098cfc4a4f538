"""The requests and responses of ``systemone``: questions about a state, answered with probabilities."""

from typing import Any, Dict, List, Optional, Union

from pydantic import Field
from typing_extensions import Annotated, Literal

from ._model import Answer, Model
from ._types import KeepAlive

SystemOneContent = Union[str, Dict[str, Any], List[Any]]


class SystemOneChoiceQuestion(Model):
    """A choice among several options; a criterion without a description stands for itself.

    ::

        question = towline.SystemOneChoiceQuestion(instructions="Which?", criteria={"river": None, "lake": None})
    """

    type: Literal["choice"] = "choice"
    instructions: SystemOneContent
    criteria: Dict[str, Optional[str]]


class SystemOneNoulQuestion(Model):
    """True or false.

    ::

        question = towline.SystemOneNoulQuestion(instructions="Is it about rivers?")
    """

    type: Literal["noul"] = "noul"
    instructions: SystemOneContent
    criteria: Optional[Dict[Literal["false", "true"], str]] = None


class SystemOneScoreQuestion(Model):
    """A position on a scale, lowest first.

    ::

        question = towline.SystemOneScoreQuestion(instructions="How good?", criteria=["bad", "good"])
    """

    type: Literal["score"] = "score"
    instructions: SystemOneContent
    criteria: List[str]


SystemOneQuestion = Annotated[
    Union[SystemOneChoiceQuestion, SystemOneNoulQuestion, SystemOneScoreQuestion], Field(discriminator="type")
]


class SystemOneRequest(Model):
    """What ``systemone`` sends.

    ::

        request = towline.SystemOneRequest(model="m", state="The Rhine bends.", questions={"q": question})
    """

    model: str
    state: SystemOneContent
    questions: Dict[str, SystemOneQuestion]
    keep_alive: Optional[KeepAlive] = None


class SystemOneNoulAnswer(Answer):
    """How true it is, from 0 to 1.

    ::

        print(answers["q"].noul)
    """

    type: Literal["noul"]
    noul: float


class SystemOneChoiceAnswer(Answer):
    """The choice, and the probability of each option.

    ::

        print(answers["q"].choice, answers["q"].confidence)
    """

    type: Literal["choice"]
    choice: str
    probabilities: Dict[str, float]
    confidence: float


class SystemOneScoreAnswer(Answer):
    """The position on the scale, and the probability of each position.

    ::

        print(answers["q"].score, answers["q"].legend)
    """

    type: Literal["score"]
    score: float
    legend: Dict[str, str]
    probabilities: Dict[str, float]
    confidence: float


SystemOneAnswer = Annotated[
    Union[SystemOneNoulAnswer, SystemOneChoiceAnswer, SystemOneScoreAnswer], Field(discriminator="type")
]


class SystemOneUsage(Answer):
    """The number of tokens used for the questions.

    ::

        print(response.usage.input_tokens)
    """

    input_tokens: int
    output_tokens: int


class SystemOneResponse(Answer):
    """The answers, by the names of the questions.

    ::

        print(client.systemone("m", "The Rhine bends.", {"q": question}).answers["q"])
    """

    model: str
    answers: Dict[str, SystemOneAnswer]
    usage: SystemOneUsage


def systemone_json(fields: Dict[str, Any]) -> Dict[str, Any]:
    """The request's body. Omitted fields are not sent; a null inside the state or a criterion is."""
    request = SystemOneRequest(**fields).model_dump()
    if request["keep_alive"] is None:
        del request["keep_alive"]
    for question in request["questions"].values():
        if question["criteria"] is None:
            del question["criteria"]
    return request

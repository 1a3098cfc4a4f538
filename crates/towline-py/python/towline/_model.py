"""The base of every model of the package: a pydantic model that can also be read like a dict."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, FrozenSet, Mapping, Optional, Tuple, Type

from pydantic import BaseModel, ConfigDict, ValidationError

from ._towline import plain_dump

_set = object.__setattr__
_OWN = __name__.rpartition(".")[0] + "."


class Lazy(BaseModel):
    """A model that is built when it is first used.

    To build it, pydantic looks for names in the frame of its user, and up to Python 3.12 that keeps the frame's
    variables alive: a stream that the caller drops would stay. The models of this package need no such names.
    """

    model_config = ConfigDict(defer_build=True, protected_namespaces=())

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            if not is_about_surrogates(error):
                raise
            super().__init__(**without_surrogates(data))

    # Validation of a whole tree does not call this.
    __init__.__dict__.update(__pydantic_base_init__=True)

    @classmethod
    def model_rebuild(
        cls,
        *,
        force: bool = False,
        raise_errors: bool = True,
        _parent_namespace_depth: int = 2,
        _types_namespace: Optional[Mapping[str, Any]] = None,
    ) -> Optional[bool]:
        if cls.__module__.startswith(_OWN) and _types_namespace is None:
            _types_namespace = {}
        return super().model_rebuild(
            force=force,
            raise_errors=raise_errors,
            _parent_namespace_depth=_parent_namespace_depth + 1,
            _types_namespace=_types_namespace,
        )


class Model(Lazy):
    """A pydantic model with ``[]``, ``get`` and ``in``."""

    # The dictionary of an instance, for reading only.
    _towline_fields: ClassVar[Any] = vars(BaseModel)["__dict__"]

    def model_dump(self, **how: Any) -> Dict[str, Any]:
        """Like pydantic's own, which passes all its defaults to the serializer."""
        if how:
            return super().model_dump(**how)
        dumped: Dict[str, Any] = self.__pydantic_serializer__.to_python(self)
        return dumped

    def __getitem__(self, key: str) -> Any:
        value = self._towline_fields.get(key)
        if value is not None:
            return value
        if key in self:
            return getattr(self, key)
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, value)

    def __contains__(self, key: str) -> bool:
        if self._towline_fields.get(key) is not None or key in self.model_fields_set:
            return True
        if self.__pydantic_extra__ and key in self.__pydantic_extra__:
            return True
        field = type(self).model_fields.get(key)
        return field is not None and field.default is not None

    def get(self, key: str, default: Any = None) -> Any:
        """The field's value, or ``default`` if the model has no such field."""
        return getattr(self, key, default)


# The models of records, which are dumped most often. None of them customizes this.
_records: FrozenSet[Type[BaseModel]] = frozenset()


def records(*models: Type[BaseModel]) -> None:
    """Names the models of records."""
    global _records
    _records = frozenset(models)


class Answer(Model):
    """A record or response of a server. Fields that the model does not know are kept.

    An instance made by the native half holds the values of all fields; the rest of what pydantic keeps in an instance is
    filled in when it is first read. The native half reuses an instance when nothing refers to it any more and nothing
    can have changed it: every method that allows a change calls ``_keep``.
    """

    model_config = ConfigDict(extra="allow")
    __slots__ = ("_towline_kept",)

    def _keep(self) -> Dict[str, Any]:
        """The dictionary, with a reference that tells the native half not to reuse this instance."""
        fields: Dict[str, Any] = self._towline_fields
        _set(self, "_towline_kept", fields)
        return fields

    __dict__ = property(_keep, Model._towline_fields.__set__)  # pyright: ignore

    def __setattr__(self, name: str, value: Any) -> None:
        self._keep()
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._keep()
        super().__delattr__(name)

    def __getattr__(self, name: str) -> Any:
        if name == "__pydantic_extra__":
            value: Any = {}
        elif name == "__pydantic_private__":
            value = None
        elif name == "__pydantic_fields_set__":
            # A field that was sent as null counts as one that was not sent.
            value = {field for field, held in self._towline_fields.items() if held is not None}
        else:
            return super().__getattr__(name)  # type: ignore[misc]
        self._keep()
        _set(self, name, value)
        return value

    def model_dump(self, **how: Any) -> Dict[str, Any]:
        """Like pydantic's own."""
        dumped = plain_dump(self, _records) if not how and type(self) in _records else None
        return super().model_dump(**how) if dumped is None else dumped


JsonObject = Dict[str, Any]


def is_about_surrogates(error: ValidationError) -> bool:
    """Whether text is invalid Unicode, from a file name, a terminal, or a cut emoji."""
    return any(one["type"] == "string_unicode" for one in error.errors(include_url=False, include_context=False))


def without_surrogates(value: Any) -> Any:
    """The same value with U+FFFD for each lone surrogate, and each pair of them as the character that it means."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, Mapping):
        return {without_surrogates(name): without_surrogates(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        inner: Tuple[Any, ...] = tuple(map(without_surrogates, value))
        return inner if isinstance(value, tuple) else list(inner)
    return value

"""What every model of the package is: a pydantic model that is also read like a dict."""

from __future__ import annotations

from typing import Any, Dict, Optional

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A pydantic model with ``[]``, ``get`` and ``in``.

    An instance made by the native half holds only the fields that a record had; the rest of what pydantic keeps in an
    instance, the defaults of other fields too, is filled in when it is first asked for.
    """

    model_config = ConfigDict(defer_build=True, protected_namespaces=())

    def __getattr__(self, name: str) -> Any:
        try:
            object.__getattribute__(self, "__pydantic_extra__")
        except AttributeError:
            self._towline_fill_in({} if self.model_config.get("extra") == "allow" else None)
            return getattr(self, name)
        return super().__getattr__(name)  # type: ignore[misc]

    def _towline_fill_in(self, extra: Optional[Dict[str, Any]]) -> None:
        held = vars(self)
        given = dict(held)
        # In place, and in the order of the fields: whoever asked may hold the dictionary already.
        held.clear()
        for name, field in type(self).model_fields.items():
            held[name] = given[name] if name in given else field.default
        object.__setattr__(self, "__pydantic_fields_set__", set(given))
        object.__setattr__(self, "__pydantic_private__", None)
        object.__setattr__(self, "__pydantic_extra__", extra)

    def __repr_args__(self) -> Any:
        self.__pydantic_extra__
        return super().__repr_args__()

    def __iter__(self) -> Any:
        self.__pydantic_extra__
        return super().__iter__()

    def __copy__(self) -> Any:
        self.__pydantic_extra__
        return super().__copy__()

    def __deepcopy__(self, memo: Optional[Dict[int, Any]] = None) -> Any:
        self.__pydantic_extra__
        return super().__deepcopy__(memo)

    def __getstate__(self) -> Any:
        self.__pydantic_extra__
        return super().__getstate__()

    def __getitem__(self, key: str) -> Any:
        value = self.__dict__.get(key)
        if value is not None:
            return value
        if key in self:
            return getattr(self, key)
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, value)

    def __contains__(self, key: str) -> bool:
        if self.__dict__.get(key) is not None or key in self.model_fields_set:
            return True
        if self.__pydantic_extra__ and key in self.__pydantic_extra__:
            return True
        field = type(self).model_fields.get(key)
        return field is not None and field.default is not None

    def get(self, key: str, default: Any = None) -> Any:
        """The field's value, or ``default`` where the model has no such field."""
        return getattr(self, key, default)


class Answer(Model):
    """What a server sends. Fields that the model does not know are kept."""

    model_config = ConfigDict(extra="allow")


JsonObject = Dict[str, Any]

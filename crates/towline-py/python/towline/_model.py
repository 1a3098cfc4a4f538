"""What every model of the package is: a pydantic model that is also read like a dict."""

from __future__ import annotations

from typing import Any, ClassVar, Dict

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A pydantic model with ``[]``, ``get`` and ``in``.

    An instance made by the native half has its fields only; the rest of what pydantic keeps in an instance is filled
    in when it is first asked for.
    """

    model_config = ConfigDict(defer_build=True, protected_namespaces=())

    _towline_fills_in: ClassVar[bool] = True

    def __getattr__(self, name: str) -> Any:
        value: Any
        if name == "__pydantic_fields_set__":
            value = {field for field, content in self.__dict__.items() if content is not None}
        elif name == "__pydantic_extra__":
            value = {} if self.model_config.get("extra") == "allow" else None
        elif name == "__pydantic_private__":
            value = None
        else:
            return super().__getattr__(name)  # type: ignore[misc]
        object.__setattr__(self, name, value)
        return value

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

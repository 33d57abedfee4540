"""Read-only value objects for both interpreters (MicroPython has no dataclasses)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self


class Value:
    """A record with named, read-only fields, typed equality and `replace`.

    Subclasses list their fields in `FIELDS` and annotate them for the type checker::

        class Point(Value):
            FIELDS = ("x", "y")
            x: int
            y: int

    Fields are given by position or by name; each must be given exactly once. Two values are equal when their classes
    are the same and their fields are. Values hash by their fields, so keep fields hashable where you need that.
    """

    FIELDS: "tuple[str, ...]" = ()

    def __init__(self, *args: "Any", **kwargs: "Any") -> None:
        names, put = self.FIELDS, object.__setattr__
        if len(args) > len(names):
            raise TypeError(type(self).__name__ + " takes " + str(len(names)) + " fields")
        for name, value in zip(names, args):  # noqa: B905 (MicroPython has no `strict`; the lengths may differ)
            put(self, name, value)
        if len(args) == len(names) and not kwargs:
            return  # as it is nearly always
        named = names[len(args) :]
        for name, value in kwargs.items():
            if name not in named:
                raise TypeError(type(self).__name__ + ": unexpected or repeated field " + name)
            put(self, name, value)
        if len(kwargs) < len(named):
            missing = [name for name in named if name not in kwargs]
            raise TypeError(type(self).__name__ + ": field " + missing[0] + " is missing")

    def __setattr__(self, name: str, value: "Any") -> None:
        raise AttributeError(type(self).__name__ + " is read-only")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(type(self).__name__ + " is read-only")

    def _values(self) -> "tuple[Any, ...]":
        return tuple([getattr(self, name) for name in self.FIELDS])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._values()))

    def __repr__(self) -> str:
        inner = ", ".join(n + "=" + repr(getattr(self, n)) for n in self.FIELDS)
        return type(self).__name__ + "(" + inner + ")"

    def as_dict(self) -> "dict[str, Any]":
        """The fields as a new dict, in the order of FIELDS where the interpreter keeps it."""
        return {name: getattr(self, name) for name in self.FIELDS}

    def replace(self, **changes: "Any") -> "Self":
        """A copy with the named fields changed.

        Raises:
            TypeError: a name is no field.
        """
        merged = self.as_dict()
        for name, value in changes.items():
            if name not in merged:
                raise TypeError(type(self).__name__ + ": unexpected field " + name)
            merged[name] = value
        return type(self)(**merged)

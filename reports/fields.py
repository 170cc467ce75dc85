"""Typed access to parsed JSON: what is not as it should be is told by the name of the field, never by its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn


class Malformed(ValueError):
    """A line is not a record; `load` adds the file and the line number."""


class Fields:
    """Typed access to one JSON object; every method raises `Malformed` naming the field."""

    def __init__(self, raw: Any, what: str) -> None:
        if not isinstance(raw, dict):
            raise Malformed(f"{what} is {kind_of(raw)}, but should be an object")
        self.raw, self.what = raw, what

    def wrong(self, key: str, should_be: str) -> NoReturn:
        if key not in self.raw:
            raise Malformed(f'{self.what} has no "{key}"')
        raise Malformed(f'"{key}" of {self.what} is {kind_of(self.raw[key])}, but should be {should_be}')

    def get(self, key: str, test: Callable[[Any], bool], should_be: str) -> Any:
        if key not in self.raw or not test(self.raw[key]):
            self.wrong(key, should_be)
        return self.raw[key]

    def text(self, key: str) -> str:
        return self.get(key, is_text, "a string")

    def optional_text(self, key: str) -> str | None:
        return None if self.raw.get(key) is None else self.text(key)

    def integer(self, key: str) -> int:
        return self.get(key, is_integer, "an integer")

    def count(self, key: str) -> int:
        return self.get(key, is_count, "a count (an integer from 0)")

    def flag(self, key: str) -> bool:
        return self.get(key, lambda value: isinstance(value, bool), "true or false")

    def number(self, key: str) -> float:
        return float(self.get(key, is_number, "a number of at most 64 bits"))

    def optional_number(self, key: str) -> float | None:
        return None if self.raw.get(key) is None else self.number(key)

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self.get(key, every(is_text), "a list of strings"))

    def counts(self, key: str) -> dict[str, int]:
        return self.get(key, values_are(is_count), "an object of counts")

    def names(self, key: str, *, optional: bool = False) -> dict[str, str]:
        if optional and self.raw.get(key) is None:
            return {}
        return self.get(key, values_are(is_text), "an object of strings")

    def items(self, key: str) -> list[Any]:
        return self.get(key, lambda value: isinstance(value, list), "a list")

    def object(self, key: str, *, optional: bool = False) -> Fields:
        if optional and self.raw.get(key) is None:
            return Fields({}, f'"{key}"')
        return Fields(self.get(key, lambda value: isinstance(value, dict), "an object"), f'"{key}"')


def kind_of(value: Any) -> str:
    """The JSON name of a value's type, for messages: never the value itself, which may be long or hostile."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a value")


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_integer(value: Any) -> bool:
    """64 bits are enough for every field, and a number of thousands of digits cannot be printed."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64


def is_count(value: Any) -> bool:
    return is_integer(value) and value >= 0


def is_number(value: Any) -> bool:
    return isinstance(value, float) or is_integer(value)


def every(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(test(item) for item in value)


def values_are(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(test(item) for item in value.values())

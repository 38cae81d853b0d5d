"""Pickles read without unpickling them: nothing is imported and nothing is called.

A pickle is a program for a small stack machine. ``pickletools`` decodes its instructions without following any;
``_Machine`` follows those that build plain data, and where a pickle would have a class or function called it notes the
call down instead. Names that were not admitted beforehand are refused, and so is every other instruction.
"""

from __future__ import annotations

import pickletools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = frozenset(
    (
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True)
class Name:
    """The name of an admitted class or function."""

    name: str


@dataclass(eq=False)
class Call:
    """A call that a pickle asks for, noted down, with the state that its result was to be given."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


def read_pickle(data: bytes, admitted: Mapping[str, Collection[str]]) -> Any:
    """The lists, tuples, dictionaries, text, numbers, bytes, ``Name`` and ``Call`` that a pickle builds.

    ``admitted`` are the names that may appear, each with the modules it may be of. Raises ValueError for a pickle
    that is cut short, has another name, or does anything but build data.
    """
    return _Machine(admitted).run(data)


class _Machine:
    """The stack machine of pickles, as far as plain data go."""

    def __init__(self, admitted: Mapping[str, Collection[str]]) -> None:
        self.admitted = admitted
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        """Follow the pickle to its end, and give what it leaves on the stack."""
        for opcode, argument, _ in pickletools.genops(data):
            name = opcode.name
            if name in _LITERALS:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _TUPLES:
                self.stack.append(tuple(self._since(len(self.stack) - _TUPLES[name])))
            elif not (self._build(name, argument) or self._note(name, argument)):
                raise ValueError(f"has the instruction {name}")
        return self._pop()

    def _build(self, name: str, argument: Any) -> bool:
        """Follow an instruction that moves or fills plain data."""
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "MARK":
                self.marks.append(len(self.stack))
            case "MEMOIZE" | "BINPUT" | "LONG_BINPUT":
                self.memo[len(self.memo) if argument is None else argument] = self._top(object)
            case "BINGET" | "LONG_BINGET":
                if argument not in self.memo:
                    raise ValueError(f"recalls what it did not keep (number {argument})")
                self.stack.append(self.memo[argument])
            case "EMPTY_LIST":
                self.stack.append([])
            case "EMPTY_DICT":
                self.stack.append({})
            case "TUPLE":
                self.stack.append(tuple(self._since_mark()))
            case "APPEND":
                self._extend([self._pop()])
            case "APPENDS":
                self._extend(self._since_mark())
            case "SETITEM":
                self._update(self._since(len(self.stack) - 2))
            case "SETITEMS":
                self._update(self._since_mark())
            case _:
                return False
        return True

    def _note(self, name: str, argument: Any) -> bool:
        """Follow an instruction that would import or call something, by noting it down."""
        match name:
            case "GLOBAL":
                self.stack.append(self._admit(*argument.split(" ", 1)))
            case "INST":  # an import and a call in one; refused, but the name tells more
                self._admit(*argument.split(" ", 1))
                return False
            case "STACK_GLOBAL":
                attribute, module = self._pop(str), self._pop(str)
                self.stack.append(self._admit(module, attribute))
            case "REDUCE" | "NEWOBJ":
                arguments, callee = self._pop(tuple), self._pop(Name)
                self.stack.append(Call(callee.name, arguments))
            case "BUILD":
                state, call = self._pop(), self._top(Call)
                if call.state is not None:
                    raise ValueError(f"gives the result of {call.name} its state twice")
                call.state = state
            case _:
                return False
        return True

    def _top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise ValueError(f"has no {kind.__name__.lower()} where one belongs")
        return self.stack[-1]

    def _pop(self, kind: type = object) -> Any:
        self._top(kind)
        return self.stack.pop()

    def _since(self, start: int) -> list[Any]:
        """The things on the stack from ``start`` on, taken off it."""
        if not 0 <= start <= len(self.stack):
            raise ValueError("takes more than it has")
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def _since_mark(self) -> list[Any]:
        if not self.marks:
            raise ValueError("takes all since a mark that is not there")
        return self._since(self.marks.pop())

    def _extend(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def _update(self, items: list[Any]) -> None:
        keys = items[::2]
        if len(items) % 2 or not all(isinstance(key, str) for key in keys):
            raise ValueError("has a dictionary whose keys are not text")
        self._top(dict).update(zip(keys, items[1::2], strict=True))

    def _admit(self, module: str, name: str) -> Name:
        if module not in self.admitted.get(name, ()):
            raise ValueError(f"refused {f'{module}.{name}'[:80]!a}")
        return Name(name)

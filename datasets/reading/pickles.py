"""Pickles of plain data, read without importing or calling anything that they name.

The standard library's unpickler does the work, in its Python version: it looks every instruction up in a table, so one
that is not listed here cannot run, and it needs no more memory than the file has bytes. (The C version fills a table of
as many entries as the file asks for.) A class or function becomes a ``Name``, and a call of one becomes a ``Call``.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

_CODES = {opcode.name: ord(opcode.code) for opcode in pickletools.opcodes}
_STANDARD: dict[int, Any] = pickle._Unpickler.dispatch
_AS_THEY_ARE = (
    *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
    *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE"),
)


@dataclass(frozen=True)
class Name:
    """The name of an admitted class or function, in the place of the class or function."""

    name: str

    def __call__(self, *arguments: Any) -> Call:
        """Record a call; nothing of that name is called."""
        return Call(self.name, arguments)


@dataclass(eq=False)
class Call:
    """A call that a pickle asks for, and the state that its result would have been given."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


def read_pickle(data: bytes, admitted: Mapping[str, Collection[str]]) -> Any:
    """Return the lists, tuples, dictionaries, text, numbers, bytes, ``Name`` and ``Call`` of a pickle.

    ``admitted`` maps each name that may appear to the modules it may come from. Raises ValueError for a pickle that is
    cut short, contains another name, or does anything but build data.
    """
    try:
        return _Recorder(data, admitted).load()
    except ValueError:
        raise
    except Exception as error:  # a broken pickle can make the unpickler raise almost anything
        raise ValueError(f"is not a whole pickle ({type(error).__name__}: {error})") from error


class _Recorder(pickle._Unpickler):
    """The standard unpickler with stubs for names, and without the instructions that plain data do not need."""

    stack: list[Any]

    def __init__(self, data: bytes, admitted: Mapping[str, Collection[str]]) -> None:
        super().__init__(io.BytesIO(data))
        self._admitted = admitted

    def find_class(self, module: str, name: str) -> Name:
        if module not in self._admitted.get(name, ()):
            raise ValueError(f"refused {f'{module}.{name}'[:80]!a}")
        return Name(name)

    def _build(self) -> None:
        state, call = self.stack.pop(), self.stack[-1]
        if not isinstance(call, Call) or call.state is not None:
            raise ValueError("gives a state to something that takes none, or a second one")
        call.state = state

    def _update(self, items: list[Any]) -> None:
        keys = items[::2]
        if not all(isinstance(key, str) for key in keys):  # hashing other keys can exhaust the stack
            raise ValueError("has a dictionary whose keys are not text")
        self.stack[-1].update(zip(keys, items[1::2], strict=True))

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def _bytearray(self) -> None:  # the original allocates as many bytes as the file claims to have
        _STANDARD[_CODES["BINBYTES8"]](self)
        self.stack.append(bytearray(self.stack.pop()))


class _Instructions(dict[int, Any]):
    def __missing__(self, code: int) -> Any:
        raise ValueError(f"has the instruction {next((name for name in _CODES if _CODES[name] == code), code)}")


_Recorder.dispatch = _Instructions(
    {
        **{_CODES[name]: _STANDARD[_CODES[name]] for name in _AS_THEY_ARE},
        _CODES["NEWOBJ"]: _STANDARD[_CODES["REDUCE"]],
        _CODES["BUILD"]: _Recorder._build,
        _CODES["SETITEM"]: _Recorder._set_item,
        _CODES["SETITEMS"]: lambda recorder: recorder._update(recorder.pop_mark()),
        _CODES["BYTEARRAY8"]: _Recorder._bytearray,
    }
)

"""Text from outside (names in files, records and options) made safe for tables, terminals and messages."""

from __future__ import annotations

import json
import re

LONGEST = 200  # characters of a name

_MARKDOWN = re.compile(  # an underscore within a word makes no emphasis
    r"[\\|`*~]|\](?=[\[(:])|(?<=\])[\[(]|[<>]|&(?=#?\w+;)|(?<=:)//|(?i:(?<=www))\.|(?<![^\W_])_|_(?![^\W_])"
)
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "//": "&#47;&#47;", ".": "&#46;"}
_USER = re.compile(r"""(?<=://)(?:[^\s/@:'"]*:[^\s'"]*|[^\s/'"]*)@""")
_SECRET = re.compile(r"(?i)([?&](?:\w*password|\w*token|\w*secret|\w*key)=)[^&#\s'\"]+")


def fault(name: str, longest: int = LONGEST) -> str:
    """The reason why a text cannot be a name, or ''; a name is one line of at most ``longest`` printable characters.

    Controls, line breaks, marks that change the direction of writing, and surrogates are not printable.
    """
    if not name.strip():
        return "is empty"
    if len(name) > longest:
        return f"has {len(name)} characters, expected at most {longest}"
    if name.isprintable():
        return ""
    bad = next(character for character in name if not character.isprintable())
    return f"has the character U+{ord(bad):04X}, expected one line of printable characters"


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as '1 cell' or '5,424 units'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(text: str) -> str:
    r"""The text with escapes such as ``\u001b`` for characters that are not printable; line breaks and tabs stay."""
    return "".join(each if each.isprintable() or each in "\n\t" else _escape(each) for each in text)


def markdown(text: str) -> str:
    """One line of markdown that shows the text as it is: no columns, emphasis, code, HTML, links or pictures."""
    line = printable(" ".join(text.splitlines()))
    return _MARKDOWN.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), line)


def without_passwords(text: str) -> str:
    """The text with *** for user and password, and for the values of keys and tokens, in every address."""
    return _SECRET.sub(r"\1***", _USER.sub("***@", text))


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else json.dumps(character)[1:-1]

"""The data that a pickle describes, without executing it.

`pickle` itself calls whatever a file names. Here its opcodes are interpreted as data: a class or function stays a
name, a call stays a record of what would have been called, and nothing is imported. What a checkpoint of
tensors needs is understood; any other opcode is an error. Opcodes: the module `pickletools` of Python.
"""

import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, Protocol, cast


class Stream(Protocol):
    """What a pickle is read from: a binary file or a mapped one."""

    def read(self, size: int, /) -> bytes:
        """Read as many bytes."""

    def readline(self) -> bytes:
        """Read up to the end of the line."""


class BrokenPickle(ValueError):
    """A stream that is no pickle, or one with opcodes that no checkpoint needs."""


@dataclass(frozen=True)
class Global:
    """A class or function, by its name only."""

    name: str


@dataclass(frozen=True)
class Persistent:
    """A reference to something outside the pickle, such as the storage of a tensor."""

    key: Any


@dataclass(eq=False)
class Call:
    """A call that was not made: what would be called, with what, and what the object would be filled with."""

    function: Any
    arguments: Any
    items: dict[Any, Any] = field(default_factory=dict)
    state: Any = None


class _Mark:
    pass


_MARK = _Mark()
_LONGEST_GLOBAL = 1000
_DICTS = {"collections.OrderedDict", "collections.defaultdict"}
MOST_OPCODES = 3_000_000
"""Steps of a pickle: a checkpoint of 20,000 tensors with its optimiser's state takes 2 million."""


def read_pickle(stream: Stream, persistent: list[Persistent] | None = None, most: int = MOST_OPCODES) -> Any:
    """Read one pickle from a stream, up to its end.

    Parameters
    ----------
    stream : binary file
        Its position is left behind the pickle.
    persistent : list, optional
        Is given every `Persistent` of the pickle, in order.
    most : int
        Steps that it may take.

    Returns
    -------
    object
        Made of dict, list, tuple, set, str, bytes, numbers, `Global`, `Persistent` and `Call`.

    Raises
    ------
    BrokenPickle
        A ValueError, if that cannot be done.

    Examples
    --------
    >>> import io, os, pickle
    >>> class Harmful:
    ...     def __reduce__(self):
    ...         return os.system, ("echo executed",)
    >>> read_pickle(io.BytesIO(pickle.dumps({"weights": Harmful()}, 2)))
    {'weights': Call(function=Global(name='posix.system'), arguments=('echo executed',), items={}, state=None)}
    """
    machine = _Machine([] if persistent is None else persistent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # of escapes in strings, which are none of ours
            return _run(machine, stream, most)
    except BrokenPickle:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise BrokenPickle("it is no whole pickle") from error


def _run(machine: "_Machine", stream: Stream, most: int) -> Any:
    steps = pickletools.genops(cast("IO[bytes]", stream))
    for opcode, argument, _ in islice(steps, most):
        if opcode.name == "STOP":
            return machine.pop()
        machine.step(opcode.name, argument)
    if next(steps, None):
        raise BrokenPickle(f"its pickle takes more than {most} steps")
    raise BrokenPickle("it is no whole pickle")


class _Machine:
    """The stack and the memo of the pickle machine."""

    def __init__(self, persistent: list[Persistent]) -> None:
        self.persistent = persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.copied = 0

    def step(self, name: str, argument: Any) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _ARGUMENTS:
            self.stack.append(argument)
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in _NOTHING:
            raise BrokenPickle(f"it has an opcode {name}, which no checkpoint needs")

    def pop(self) -> Any:
        top = self.stack.pop()
        if top is _MARK:
            raise BrokenPickle("it is no whole pickle")
        return top

    def top(self) -> Any:
        return self.stack[-1]

    def pop_to_mark(self) -> list[Any]:
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise BrokenPickle("it is no whole pickle")
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def pop_many(self, count: int) -> tuple[Any, ...]:
        return tuple(reversed([self.pop() for _ in range(count)]))

    def remember(self, key: int | None) -> None:
        self.memo[len(self.memo) if key is None else key] = self.top()

    def recall(self, key: int) -> None:
        self.stack.append(self.memo[key])

    def fill(self, pairs: list[Any]) -> None:
        target = self.top()
        items = target.items if isinstance(target, Call) else target
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            items[_safe_key(key, len(items))] = value

    def extend(self, values: list[Any]) -> None:
        target = self.top()
        if isinstance(target, list):
            target.extend(values)

    def call(self) -> None:
        function, arguments = self.pop_many(2)
        if isinstance(function, Global) and function.name in _DICTS:
            self.stack.append(self.as_dict(arguments))
        else:
            self.stack.append(Call(function, arguments))

    def build(self) -> None:
        state = self.pop()
        if isinstance(self.top(), Call):
            self.top().state = state

    def refer(self) -> None:
        self.persistent.append(Persistent(self.pop()))
        self.stack.append(self.persistent[-1])

    def stack_global(self) -> None:
        module, name = self.pop_many(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise BrokenPickle("it names a class by something else than texts")
        self.name_global(f"{module}.{name}")

    def name_global(self, name: str) -> None:
        if len(name) > _LONGEST_GLOBAL:
            raise BrokenPickle(f"it names a class by {len(name)} characters")
        self.stack.append(Global(name))

    def as_dict(self, arguments: Any) -> dict[Any, Any]:
        """Make the dictionary of a call of OrderedDict, which may come with a list of pairs."""
        pairs = arguments[0] if arguments and isinstance(arguments[0], list) else []
        self.copied += len(pairs)
        if self.copied > MOST_OPCODES:  # the same list may be asked to be copied again and again
            raise BrokenPickle(f"its dictionaries are made of more than {MOST_OPCODES} pairs")
        return {_safe_key(pair[0], place): pair[1] for place, pair in enumerate(pairs)}


def _safe_key(key: Any, place: int) -> str | int:
    """Give a key that can be hashed and printed: with a deep or doubled tuple that ends in a crash, or never."""
    return key if isinstance(key, str | int) else f"<{type(key).__name__} {place}>"


_NOTHING = {"PROTO", "FRAME"}
_CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "MARK": _MARK,
    "EMPTY_TUPLE": (),
}
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_TEXTS = {
    "UNICODE",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
}
_ARGUMENTS = _NUMBERS | _TEXTS | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_STEPS: dict[str, Callable[[_Machine, Any], object]] = {
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_SET": lambda machine, _: machine.stack.append([]),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _: machine.stack.append(machine.pop_many(1)),
    "TUPLE2": lambda machine, _: machine.stack.append(machine.pop_many(2)),
    "TUPLE3": lambda machine, _: machine.stack.append(machine.pop_many(3)),
    "LIST": lambda machine, _: machine.stack.append(machine.pop_to_mark()),
    "FROZENSET": lambda machine, _: machine.stack.append(machine.pop_to_mark()),
    "DICT": lambda machine, _: machine.stack.append(machine.as_dict([_pairs(machine.pop_to_mark())])),
    "SETITEM": lambda machine, _: machine.fill(list(machine.pop_many(2))),
    "SETITEMS": lambda machine, _: machine.fill(machine.pop_to_mark()),
    "APPEND": lambda machine, _: machine.extend([machine.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "ADDITEMS": lambda machine, _: machine.extend(machine.pop_to_mark()),
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.pop_to_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.top()),
    "PUT": lambda machine, key: machine.remember(key),
    "BINPUT": lambda machine, key: machine.remember(key),
    "LONG_BINPUT": lambda machine, key: machine.remember(key),
    "MEMOIZE": lambda machine, _: machine.remember(None),
    "GET": lambda machine, key: machine.recall(key),
    "BINGET": lambda machine, key: machine.recall(key),
    "LONG_BINGET": lambda machine, key: machine.recall(key),
    "GLOBAL": lambda machine, name: machine.name_global(name.replace(" ", ".")),
    "STACK_GLOBAL": lambda machine, _: machine.stack_global(),
    "BINPERSID": lambda machine, _: machine.refer(),
    "REDUCE": lambda machine, _: machine.call(),
    "NEWOBJ": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
}


def _pairs(flat: list[Any]) -> list[Any]:
    return list(zip(flat[::2], flat[1::2], strict=True))

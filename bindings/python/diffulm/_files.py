"""A model's files from Python objects: bytes under the names that a folder would have."""
import ctypes
import itertools

from . import _native as n

_lookups: dict = {}  # by the number that the library hands back: where a call that opens finds its files, and what went wrong there
_numbers = itertools.count(1)
_borrowed: dict = {}  # by address: [bytes, times mapped]; the library reads them until it unmaps them
_types = dict(n.structs["diffulm_files"]._fields_)


def _map(user, name, data, size):
    lookup = _lookups[user]
    try:
        found = lookup["find"](name.decode())
        if found is None:
            return n.CONSTANTS["DIFFULM_FILE_ABSENT"]
        block = found if isinstance(found, bytes) else bytes(found)
        address = ctypes.cast(ctypes.c_char_p(block), ctypes.c_void_p).value
        _borrowed.setdefault(address, [block, 0])[1] += 1
        ctypes.c_void_p.from_address(data).value = address
        ctypes.c_uint64.from_address(size).value = len(block)
        return 0
    except BaseException as error:  # an exception cannot pass through C
        lookup["error"] = error
        return -1


def _unmap(_user, data, _size, borrowed=_borrowed):
    entry = borrowed[data]
    entry[1] -= 1
    if entry[1] == 0:
        del borrowed[data]


_MAP, _UNMAP = _types["map"](_map), _types["unmap"](_unmap)


def opened(files, function, *arguments):
    """The handle that `function`, to which the struct of files is one of the arguments (None), writes. files: a mapping of names to bytes, or a
    function of a name that returns bytes or None."""
    number = next(_numbers)
    find = files if callable(files) else lambda name: files[name] if name in files else None
    lookup = _lookups[number] = {"find": find, "error": None}
    struct = n.sized("diffulm_files", label=b"files", user=number, map=_MAP, unmap=_UNMAP)
    try:
        return n.make(function, *(struct if a is None else a for a in arguments))
    except n.Error:
        if lookup["error"] is not None:
            raise lookup["error"] from None
        raise
    finally:
        del _lookups[number]

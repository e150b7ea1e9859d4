"""Arrays in and out: numpy without copies where it is installed and the type fits, else ctypes and lists."""
import ctypes

from . import _native as n

NUMPY_TYPES = {ctypes.c_int32: "int32", ctypes.c_float: "float32", ctypes.c_uint8: "uint8", ctypes.c_double: "float64",
               ctypes.c_size_t: "uint64", ctypes.c_int64: "int64"}


def flat(values):
    """The numbers of nested lists, in order."""
    values = list(values)
    while values and isinstance(values[0], (list, tuple)):
        values = [x for inner in values for x in inner]
    return values


def given(values, kind):
    """(address, keeper, count) of values for the library to read; the keeper must live as long as the address is used."""
    if values is None:
        return None, None, 0
    np = n.numpy()
    if np is not None and (isinstance(values, np.ndarray) or hasattr(values, "__array__")):
        array = np.ascontiguousarray(values, dtype=NUMPY_TYPES[kind])
        return array.ctypes.data, array, array.size
    values = flat(values)
    array = (kind * len(values))(*values)
    return ctypes.addressof(array), array, len(values)


def fresh(kind, *shape):
    """(address, array) for the library to fill: a numpy array, or a ctypes array where there is no numpy."""
    np = n.numpy()
    if np is not None:
        array = np.empty(shape, dtype=NUMPY_TYPES[kind])
        return array.ctypes.data, array
    count = 1
    for size in shape:
        count *= size
    array = (kind * count)()
    return ctypes.addressof(array), array


def shaped(array, *shape):
    """What a caller gets of `fresh`: the numpy array, or nested lists."""
    if n.numpy() is not None and isinstance(array, n.numpy().ndarray):
        return array
    values = list(array)
    for size in reversed(shape[1:]):
        values = [values[i:i + size] for i in range(0, len(values), size)]
    return values


class Packed:
    """Rows of tokens packed end to end, with offsets."""

    def __init__(self, rows):
        offsets, tokens = [0], []
        for row in rows:
            tokens.extend(int(t) for t in row)
            offsets.append(len(tokens))
        self.rows = len(offsets) - 1
        self.tokens = (ctypes.c_int32 * max(1, len(tokens)))(*tokens)
        self.offsets = (ctypes.c_size_t * len(offsets))(*offsets)
        self.count = len(tokens)

    def offset_address(self):
        return ctypes.addressof(self.offsets)

    def token_address(self):
        return ctypes.addressof(self.tokens)

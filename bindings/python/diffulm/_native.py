"""The C library through ctypes. Types, functions and constants are made from abi.json, which is made from the headers."""
import ctypes
import ctypes.util
import difflib
import json
import os
import sysconfig
import threading

HERE = os.path.dirname(os.path.abspath(__file__))

with open(os.path.join(HERE, "abi.json"), encoding="utf-8") as _file:
    ABI = json.load(_file)

CONSTANTS = {item["name"]: item["value"] for item in ABI["constants"]}
HANDLES = {item["name"] for item in ABI["handles"]}
SCALARS = {"int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64,
           "uint8_t": ctypes.c_uint8, "size_t": ctypes.c_size_t, "float": ctypes.c_float, "double": ctypes.c_double,
           "diffulm_status": ctypes.c_int32, "char": ctypes.c_char}


class Error(Exception):
    """A call of the library failed. `status` is its number, `name` its short name."""

    status = 0

    def __init__(self, message, status):
        super().__init__(message)
        self.status = status
        self.name = lib.diffulm_status_name(status).decode()


class OutOfMemory(Error, MemoryError):
    """DIFFULM_E_OUT_OF_MEMORY"""


class InvalidArgument(Error, ValueError):
    """DIFFULM_E_ARGUMENT"""


class InvalidState(Error):
    """DIFFULM_E_STATE"""


class FileError(Error, OSError):
    """DIFFULM_E_IO"""


class FormatError(Error, ValueError):
    """DIFFULM_E_FORMAT: malformed data"""


class Unsupported(Error, NotImplementedError):
    """DIFFULM_E_UNSUPPORTED"""


class InvalidText(Error, ValueError):
    """DIFFULM_E_UTF8"""


class LimitExceeded(Error, ValueError):
    """DIFFULM_E_LIMIT"""


class Cancelled(Error):
    """DIFFULM_E_CANCELLED"""


class NotFinite(Error, ArithmeticError):
    """DIFFULM_E_NUMERIC"""


ERRORS = {"DIFFULM_E_OUT_OF_MEMORY": OutOfMemory, "DIFFULM_E_ARGUMENT": InvalidArgument, "DIFFULM_E_STATE": InvalidState,
          "DIFFULM_E_IO": FileError, "DIFFULM_E_FORMAT": FormatError, "DIFFULM_E_UNSUPPORTED": Unsupported,
          "DIFFULM_E_UTF8": InvalidText, "DIFFULM_E_LIMIT": LimitExceeded, "DIFFULM_E_CANCELLED": Cancelled,
          "DIFFULM_E_NUMERIC": NotFinite}
ERROR_OF = {CONSTANTS[name]: kind for name, kind in ERRORS.items()}
DONE, AGAIN, BUFFER_TOO_SMALL = (CONSTANTS["DIFFULM_" + name] for name in ("DONE", "AGAIN", "BUFFER_TOO_SMALL"))


def _pointer(kind):
    """`const char *` is bytes, a struct its pointer; handles and arrays are addresses (c_void_p takes ctypes arrays and byref)."""
    base = kind.replace("const ", "").rstrip(" *")
    if kind == "const char *":
        return ctypes.c_char_p
    if base.startswith("struct ") and kind.count("*") == 1:
        return ctypes.POINTER(structs[base[len("struct "):]])
    return ctypes.c_void_p


def _type(kind):
    if not isinstance(kind, str):
        signature = kind["callback"]
        return ctypes.CFUNCTYPE(_type(signature["returns"]), *(_type(p["type"]) for p in signature["parameters"]))
    if kind.endswith("*"):
        return _pointer(kind)
    return None if kind == "void" else SCALARS[kind.replace("const ", "")]


def _struct(description):
    fields = []
    for field in description["fields"]:
        kind = _type(field["type"])
        if isinstance(field["type"], str) and field["type"].startswith("const struct "):
            kind = ctypes.c_void_p  # borrowed; structs may stand in any order in abi.json
        fields.append((field["name"], kind * field["count"] if "count" in field else kind))
    made = type(description["name"], (ctypes.Structure,), {"_fields_": fields, "__doc__": description["doc"]})
    if ctypes.sizeof(made) != description["size"]:
        raise ImportError(f"{description['name']} has {ctypes.sizeof(made)} bytes here, {description['size']} in the library")
    return made


structs = {}
for _description in ABI["structs"]:
    structs[_description["name"]] = _struct(_description)


def _candidates():
    """Where the library may be: named by the environment, beside this file (wheels), else the system's."""
    named = os.environ.get("DIFFULM_LIBRARY")
    if named:
        return [named]
    # Some systems keep what depends on the machine in a folder of its own.
    sites = (os.path.dirname(HERE), sysconfig.get_path("platlib"))
    folders = (HERE, *(os.path.join(site, ".diffulm.mesonpy.libs") for site in dict.fromkeys(sites)))
    beside = [os.path.join(folder, name) for folder in folders if os.path.isdir(folder)
              for name in sorted(os.listdir(folder)) if name.startswith("libdiffulm.so")]
    found = ctypes.util.find_library("diffulm")
    return beside or ([found] if found else []) + ["libdiffulm.so.0.1"]


def _load():
    problems = []
    for name in _candidates():
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            problems.append(f"{name}: {error}")
    raise ImportError("libdiffulm was not found: install it, or set DIFFULM_LIBRARY to libdiffulm.so\n" + "\n".join(problems))


class _Library:
    """The functions of the library, typed by abi.json."""

    def __init__(self):
        library = _load()
        for function in ABI["functions"]:
            try:
                bound = getattr(library, function["name"])
            except AttributeError:
                raise ImportError(f"{library._name} has no {function['name']}: it is another version than this package") from None
            bound.restype = _type(function["returns"])
            bound.argtypes = [_type(p["type"]) for p in function["parameters"]]
            setattr(self, function["name"], bound)


lib = _Library()


def check(status):
    """Raises what a negative status stands for; returns the others."""
    if status >= 0:
        return status
    message = lib.diffulm_error_message().decode("utf-8", "replace")
    raise ERROR_OF.get(status, Error)(message, status)


def choice(prefix, value, names):
    """A constant by its name: choice("DIFFULM_ATTENTION_", "prefix_lm", ...)."""
    if isinstance(value, int):
        return value
    name = prefix + str(value).upper().replace("-", "_")
    if name in CONSTANTS:
        return CONSTANTS[name]
    known = [n[len(prefix):].lower() for n in CONSTANTS if n.startswith(prefix)]
    raise ValueError(f"{names} is {value!r}, expected one of {', '.join(known)}")


# Fields whose values have names.
NAMED = {"attention": "DIFFULM_ATTENTION_", "sampling": "DIFFULM_SAMPLING_", "lr_schedule": "DIFFULM_LR_",
         "weight": "DIFFULM_WEIGHT_", "corruption": "DIFFULM_CORRUPTION_", "objective": "DIFFULM_OBJECTIVE_",
         "backend": "DIFFULM_BACKEND_", "isa": "DIFFULM_ISA_", "head": "DIFFULM_HEAD_", "dtype": "DIFFULM_DTYPE_",
         "precision": "DIFFULM_PRECISION_", "form": "DIFFULM_FORM_", "on_damage": "DIFFULM_DAMAGE_", "select": "DIFFULM_SELECT_"}


def options(name, values, **named):
    """A struct of options: the library's defaults, then `values`. `named` gives other prefixes of constants."""
    kind = structs[name]
    out = kind()
    init = getattr(lib, name + "_init", None)
    if init:
        init(ctypes.byref(out), ctypes.sizeof(kind))
    else:
        out.struct_size = ctypes.sizeof(kind)
    fields = {field for field, _ in kind._fields_} - {"struct_size"}
    for key, value in values.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            raise TypeError(f"unknown option {key!r}: {'nearest is ' + near[0] if near else 'expected ' + ', '.join(sorted(fields))}")
        prefix = named.get(key, NAMED.get(key))
        if prefix and isinstance(value, str):
            value = choice(prefix, value, key)
        setattr(out, key, value.encode() if isinstance(value, str) else value)
    return out


def sized(name, **values):
    """A struct with its struct_size set."""
    return structs[name](struct_size=ctypes.sizeof(structs[name]), **values)


def bytes_of(call, start=4096):
    """Bytes by a function that fills (buffer, capacity, length)."""
    length = ctypes.c_size_t()
    buffer = ctypes.create_string_buffer(start)
    if check(call(buffer, start, ctypes.byref(length))) == BUFFER_TOO_SMALL:
        buffer = ctypes.create_string_buffer(length.value + 1)
        check(call(buffer, length.value + 1, ctypes.byref(length)))
    return buffer.raw[:length.value]


def text_of(call, start=256):
    return bytes_of(call, start).decode("utf-8")


class Handle:
    """Owns a handle of the library. A context manager; closed at the latest when it is collected."""

    _release = ""  # name of the function that gives the handle back

    def __init__(self, address):
        self._address = address

    @classmethod
    def _of(cls, address):
        """One around a handle that there is already."""
        out = cls.__new__(cls)
        Handle.__init__(out, address)
        return out

    @property
    def address(self):
        if not self._address:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._address

    @property
    def closed(self):
        return not self._address

    def close(self):
        address, self._address = self._address, None
        if address:
            getattr(lib, self._release)(address)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def __del__(self):
        if getattr(self, "_address", None):
            self.close()


def make(function, *arguments):
    """The handle that a function writes to its last argument."""
    out = ctypes.c_void_p()
    check(function(*arguments, ctypes.byref(out)))
    return out.value


def interruptible(call, cancel):
    """Runs a long call so that Ctrl-C stops it: `cancel` is called, and KeyboardInterrupt is raised when the call is back."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    outcome = []
    done = threading.Event()  # Thread.join may return too early once it was interrupted

    def work():
        try:
            outcome.append((call(), None))
        except BaseException as error:  # carried over to the caller's thread
            outcome.append((None, error))
        done.set()

    threading.Thread(target=work, daemon=True).start()
    try:
        while not done.wait(0.1):
            pass
    except KeyboardInterrupt:
        cancel()
        raise
    finally:  # the call must be back before the handle is used again
        done.wait()
    result, error = outcome[0]
    if error:
        raise error
    return result


try:
    import numpy as _numpy
except ImportError:
    _numpy = None  # type: ignore[assignment,unused-ignore]


def numpy():
    """numpy, or None where it is not installed."""
    return _numpy

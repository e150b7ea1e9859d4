"""Writes lua/diffulm/ffi.lua from abi.json: the declarations of the functions that the plugin calls, and of what they need.

  generate.py ABI.json            write it
  generate.py ABI.json --check    fail where it is not current
"""
import json
import os
import re
import sys

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lua", "diffulm", "ffi.lua")
CONSTANTS = ("DIFFULM_OK", "DIFFULM_DONE", "DIFFULM_BUFFER_TOO_SMALL", "DIFFULM_E_CANCELLED", "DIFFULM_SAMPLING_CATEGORICAL")
# Not the options' _init functions: they fill what the library knows, which a later one may have made longer than what is declared here.
FUNCTIONS = (
    "diffulm_version", "diffulm_error_message", "diffulm_runtime_create", "diffulm_runtime_unref", "diffulm_runtime_describe",
    "diffulm_tokenizer_open", "diffulm_tokenizer_unref", "diffulm_tokenizer_encode", "diffulm_tokenizer_decode", "diffulm_tokenizer_piece",
    "diffulm_tokenizer_id", "diffulm_tokenizer_special_ids", "diffulm_model_open", "diffulm_model_unref", "diffulm_model_get_info",
    "diffulm_length_head_open", "diffulm_length_head_unref", "diffulm_sampler_create", "diffulm_sampler_unref", "diffulm_session_create",
    "diffulm_session_destroy", "diffulm_session_step", "diffulm_session_cancel", "diffulm_session_tokens", "diffulm_session_add_text")
HEAD = """-- The part of libdiffulm's C ABI that the plugin uses; written by generate.py.
local ffi = require('ffi')

-- What is declared stays so in this Lua state, though the module be loaded again.
if not pcall(ffi.typeof, 'diffulm_status') then
  ffi.cdef([[
typedef int32_t diffulm_status;
"""


def declaration(kind, name):
    return f"{kind}{'' if kind.endswith('*') else ' '}{name}"


def named(entries, names):
    by_name = {e["name"]: e for e in entries}
    missing = [name for name in names if name not in by_name]
    if missing:
        sys.exit(f"not in the description of the ABI: {', '.join(missing)}")
    return [e for e in entries if e["name"] in names]


def structs_of(abi, functions):
    """Those that the functions name, and those that these name, in the order of the headers."""
    by_name = {s["name"]: s for s in abi["structs"]}
    wanted = set()
    pending = [p["type"] for f in functions for p in f["parameters"]]
    while pending:
        for name in re.findall(r"struct (\w+)", pending.pop()):
            if name not in wanted:
                wanted.add(name)
                pending += [f["type"] for f in by_name[name]["fields"]]
    return [s for s in abi["structs"] if s["name"] in wanted]


def source(abi):
    functions = named(abi["functions"], FUNCTIONS)
    structs = structs_of(abi, functions)
    types = " ".join([f["returns"] for f in functions] + [p["type"] for f in functions for p in f["parameters"]]
                     + [field["type"] for s in structs for field in s["fields"]])
    lines = [f"static const int {c['name']} = {c['value']};" for c in named(abi["constants"], CONSTANTS)]
    lines += [f"typedef struct {h['name']} {h['name']};" for h in abi["handles"] if re.search(rf"\b{h['name']}\b", types)]
    lines += [f"struct {s['name']};" for s in structs]
    for s in structs:
        fields = "".join(f"  {declaration(f['type'], f['name'])}{'[%d]' % f['count'] if 'count' in f else ''};\n" for f in s["fields"])
        lines.append(f"struct {s['name']} {{\n{fields}}};")
    for f in functions:
        parameters = ", ".join(declaration(p["type"], p["name"]) for p in f["parameters"]) or "void"
        lines.append(f"{declaration(f['returns'], f['name'])}({parameters});")
    return HEAD + "\n".join(lines) + "\n]])\nend\n\nreturn ffi\n"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        text = source(json.load(file))
    if sys.argv[2:] == ["--check"]:
        with open(PATH, encoding="utf-8") as file:
            if file.read() != text:
                sys.exit(f"{PATH} is not current: python3 examples/neovim/generate.py {sys.argv[1]}")
    else:
        with open(PATH, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()

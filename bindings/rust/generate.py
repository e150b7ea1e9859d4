"""Writes the generated Rust sources from abi.json: diffulm-sys/src/lib.rs (functions, structs, constants, a test of every offset) and
diffulm/src/options.rs (builders of options, constants by group).

  generate.py ABI.json            write them
  generate.py ABI.json --check    fail where they are not current
"""
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SCALARS = {"int32_t": "i32", "int64_t": "i64", "uint32_t": "u32", "uint64_t": "u64", "uint8_t": "u8", "size_t": "usize", "float": "f32",
           "double": "f64", "char": "c_char", "void": "c_void", "diffulm_status": "i32"}
GROUPS = ("ATTENTION", "SAMPLING", "LR", "WEIGHT", "CORRUPTION", "OBJECTIVE", "BACKEND", "ISA", "PRECISION", "HEAD", "DTYPE", "FORM", "DAMAGE",
          "SELECT", "ROLE", "CHANGE", "ORDER", "MATCH", "ROUGE", "LAST", "BLEU", "E")
MODULES = {"E": "status", "MATCH": "matching"}  # not named as their group
KEYWORDS = {"type", "match", "ref", "move", "loop", "in"}


def rust_type(text):
    """A C type as the headers write it: base and stars with const before or between them."""
    if isinstance(text, dict):
        callback = text["callback"]
        inside = ", ".join(rust_type(p["type"]) for p in callback["parameters"])
        returns = "" if callback["returns"] == "void" else f" -> {rust_type(callback['returns'])}"
        return f"Option<unsafe extern \"C\" fn({inside}){returns}>"
    words = text.replace("*", " * ").split()
    constant = words[0] == "const"
    words = words[1:] if constant else words
    words = words[1:] if words[0] == "struct" else words
    out = SCALARS.get(words[0], words[0])
    for word in words[1:]:
        if word == "*":
            out = f"*{'const' if constant else 'mut'} {out}"
            constant = False
        elif word == "const":
            constant = True
    return out


def doc(text, indent=""):
    return f"{indent}/// {text}\n" if text else ""


def field_name(name):
    return f"r#{name}" if name in KEYWORDS else name


def field_type(field):
    kind = rust_type(field["type"])
    return f"[{kind}; {field['count']}]" if "count" in field else kind


def sys_source(abi):
    out = ["//! The C ABI of libdiffulm as the headers declare it; written by generate.py. The crate `diffulm` is safe.\n"
           "#![allow(non_camel_case_types)]\n\nuse std::os::raw::{c_char, c_void};\n"]
    for c in abi["constants"]:
        kind = "i32" if -2**31 <= c["value"] < 2**31 else "i64"
        out.append(f"{doc(c['doc'])}pub const {c['name']}: {kind} = {c['value']};")
    for h in abi["handles"]:
        out.append(f"\n{doc(h['doc'])}#[repr(C)]\npub struct {h['name']} {{\n    _private: [u8; 0],\n}}")
    for s in abi["structs"]:
        fields = "".join(f"{doc(f['doc'], '    ')}    pub {field_name(f['name'])}: {field_type(f)},\n" for f in s["fields"])
        out.append(f"\n{doc(s.get('doc', ''))}#[repr(C)]\n#[derive(Clone, Copy)]\npub struct {s['name']} {{\n{fields}}}")
    out.append("\nextern \"C\" {")
    for f in abi["functions"]:
        parameters = ", ".join(f"{field_name(p['name'])}: {rust_type(p['type'])}" for p in f["parameters"])
        returns = "" if f["returns"] == "void" else f" -> {rust_type(f['returns'])}"
        out.append(f"{doc(f['doc'], '    ')}    pub fn {f['name']}({parameters}){returns};")
    out.append("}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n    use std::mem::{size_of, MaybeUninit};\n\n"
               "    macro_rules! offset {\n        ($kind:ty, $field:ident) => {{\n            let place = MaybeUninit::<$kind>::uninit();\n"
               "            let base = place.as_ptr();\n"
               "            unsafe { std::ptr::addr_of!((*base).$field) as usize - base as usize }\n        }};\n    }\n\n"
               "    #[test]\n    fn layouts_are_those_of_the_headers() {")
    for s in abi["structs"]:
        out.append(f"        assert_eq!(size_of::<{s['name']}>(), {s['size']});")
        for f in s["fields"]:
            out.append(f"        assert_eq!(offset!({s['name']}, {field_name(f['name'])}), {f['offset']});")
    out.append("    }\n}\n")
    return "\n".join(out)


def camel(name):
    return "".join(part.capitalize() for part in name.split("_"))


def builder(struct, initialised):
    name = camel(struct["name"][len("diffulm_"):])
    methods = []
    for f in struct["fields"]:
        kind = rust_type(f["type"])
        if f["name"] == "struct_size" or "count" in f:
            continue
        if kind in set(SCALARS.values()) - {"c_char", "c_void"}:
            methods.append(f"{doc(f['doc'], '    ')}    pub fn {field_name(f['name'])}(mut self, value: {kind}) -> Self {{\n"
                           f"        self.raw.{field_name(f['name'])} = value;\n        self\n    }}\n")
        elif kind == "*const c_char":
            methods.append(f"{doc(f['doc'], '    ')}    ///\n    /// # Panics\n    /// When the text holds a NUL.\n"
                           f"    pub fn {f['name']}(mut self, value: &str) -> Self {{\n"
                           f"        let text = CString::new(value).expect(\"{f['name']} holds a NUL\");\n"
                           f"        self.raw.{f['name']} = text.as_ptr();\n        self.texts.push(text);\n        self\n    }}\n")
    if initialised:
        make = f"        let mut raw = MaybeUninit::zeroed();\n        unsafe {{\n            sys::{struct['name']}_init(raw.as_mut_ptr(), std::mem::size_of::<sys::{struct['name']}>());\n" \
               f"            {name} {{ raw: raw.assume_init(), texts: Vec::new() }}\n        }}\n"
    else:
        make = f"        let mut raw: sys::{struct['name']} = unsafe {{ MaybeUninit::zeroed().assume_init() }};\n" \
               f"        raw.struct_size = std::mem::size_of_val(&raw);\n        {name} {{ raw, texts: Vec::new() }}\n"
    return (f"/// Options as `struct {struct['name']}` has them; made by `default()`, changed by the methods.\n"
            f"pub struct {name} {{\n    pub(crate) raw: sys::{struct['name']},\n    #[allow(dead_code)]\n    texts: Vec<CString>,\n}}\n\n"
            f"impl Default for {name} {{\n    fn default() -> Self {{\n{make}    }}\n}}\n\nimpl {name} {{\n" + "\n".join(methods) + "}\n")


def options_source(abi):
    inits = {f["name"] for f in abi["functions"]}
    out = ["//! Options and constants; written by generate.py.\nuse diffulm_sys as sys;\nuse std::ffi::CString;\nuse std::mem::MaybeUninit;\n"]
    for s in abi["structs"]:
        if s["name"].endswith("_options"):
            out.append(builder(s, s["name"] + "_init" in inits))
    for group in GROUPS:
        lines = [f"{doc(c['doc'], '    ')}    pub const {c['name'][len('DIFFULM_' + group) + 1:]}: i32 = {c['value']};"
                 for c in abi["constants"] if re.match(f"DIFFULM_{group}_[A-Z]", c["name"])]
        if lines:
            out.append(f"/// Values of DIFFULM_{group}_….\npub mod {MODULES.get(group, group.lower())} {{\n" + "\n".join(lines) + "\n}\n")
    return "\n".join(out)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        abi = json.load(file)
    for path, text in (("diffulm-sys/src/lib.rs", sys_source(abi)), ("diffulm/src/options.rs", options_source(abi))):
        path = os.path.join(HERE, path)
        if sys.argv[2:] == ["--check"]:
            with open(path, encoding="utf-8") as file:
                if file.read() != text:
                    sys.exit(f"{path} is not current: python3 bindings/rust/generate.py {sys.argv[1]}")
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)


if __name__ == "__main__":
    main()

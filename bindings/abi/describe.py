"""Describes the ABI from the public headers, as JSON: constants, handles, structs with offsets, functions, doc comments.

  describe.py INCLUDE            print it
  describe.py INCLUDE FILE       write FILE
  describe.py INCLUDE FILE --check [--cc COMPILER] [--shared-object FILE]
                                 fail where FILE is not current, the C compiler lays a struct out otherwise or sees another
                                 type of a function, or the library exports other symbols
  describe.py INCLUDE FILE --assert COMPILER
                                 fail where this compiler, of any machine, lays a struct out otherwise; nothing is run

Offsets and sizes are those of LP64 (x86-64 and aarch64 Linux). The parser knows the style of our headers and nothing else;
what it cannot read it names and refuses.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

SCALARS = {"int32_t": 4, "uint32_t": 4, "int64_t": 8, "uint64_t": 8, "uint8_t": 1, "size_t": 8, "float": 4, "double": 8,
           "char": 1, "void": 0, "diffulm_status": 4}
SKIPPED = {"DIFFULM_API", "DIFFULM_MUST_USE", "DIFFULM_BEGIN_DECLS", "DIFFULM_END_DECLS"}


def tidy(comment):
    """The text of a comment, its lines joined."""
    text = re.sub(r"^/\*+|\*/$", "", comment.strip())
    return " ".join(re.sub(r"^\s*\*\s?", "", line).strip() for line in text.split("\n")).strip()


def tokens_of(text):
    """(kind, text) of a header: comments, directives, and declarations up to ; or a brace."""
    pattern = re.compile(r"/\*.*?\*/|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*|[^;{}#/]+|[;{}/]", re.S | re.M)
    for match in pattern.finditer(text):
        piece = match.group()
        kind = "comment" if piece.startswith("/*") else "directive" if piece.lstrip().startswith("#") else "code"
        yield kind, piece


def parse_type(text):
    """C type text, normalised: "const char *", "struct diffulm_batch *"."""
    words = re.findall(r"[A-Za-z_0-9]+|\*", text)
    return re.sub(r"\* \*", "**", " ".join(words)).replace("* *", "**")


def declarator(text, where):
    """One parameter or field: (type, name, array length or None)."""
    callback = re.fullmatch(r"(.+?)\(\*\s*(\w+)\)\s*\((.*)\)", text.strip(), re.S)
    if callback:
        parameters = [declarator(p, where) for p in callback.group(3).split(",")]
        return {"callback": {"returns": parse_type(callback.group(1)),
                             "parameters": [{"name": n, "type": t} for t, n, _ in parameters]}}, callback.group(2), None
    match = re.fullmatch(r"(.*?[\s*])(\w+)\s*(?:\[(\w+)\])?", text.strip(), re.S)
    if not match:
        sys.exit(f"{where}: cannot read the declaration {text.strip()!r}")
    return parse_type(match.group(1)), match.group(2), match.group(3)


def split_fields(text, where):
    """`const int32_t *x_t, *x_0` has two fields of one base type."""
    if "(*" in text:
        kind, name, count = declarator(text, where)
        return [(kind, name, count)]
    parts = text.split(",")
    kind, name, count = declarator(parts[0], where)
    base = kind.rstrip(" *")
    out = [(kind, name, count)]
    for part in parts[1:]:
        stars = part.count("*")
        kind = base + (" " + "*" * stars if stars else "")
        _, name, count = declarator("x " + part.replace("*", "").strip(), where)
        out.append((kind, name, count))
    return out


def function_of(code, doc, header, where):
    match = re.fullmatch(r"DIFFULM_API\s+(.*?[\s*])(\w+)\s*\((.*)\)\s*(DIFFULM_MUST_USE)?", code, re.S)
    if not match:
        sys.exit(f"{where}: cannot read the function {code!r}")
    returns, name, inside, must_use = match.groups()
    parameters, depth, start = [], 0, 0
    for i, c in enumerate(inside + ","):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parameters.append(inside[start:i])
            start = i + 1
    listed = [] if inside.strip() == "void" else [declarator(p, where) for p in parameters]
    return {"name": name, "header": header, "returns": parse_type(returns), "must_use": bool(must_use),
            "parameters": [{"name": n, "type": t + (" *" if count and isinstance(t, str) else "")} for t, n, count in listed],
            "doc": doc}


class Parser:
    def __init__(self):
        self.constants, self.handles, self.structs, self.functions = [], [], [], []

    def constant(self, directive, header):
        match = re.fullmatch(r"\s*#define\s+(DIFFULM_\w+)(?:\s|\\\n)+\(?(-?\d+)\)?\s*(/\*.*\*/)?\s*", directive, re.S)
        if match:
            self.constants.append({"name": match.group(1), "value": int(match.group(2)), "header": header,
                                   "doc": tidy(match.group(3) or "")})

    def read(self, path, header):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        doc, pieces, struct = "", "", None
        for kind, piece in tokens_of(text):
            where = f"{header}: near {piece.strip()[:40]!r}"
            if kind == "directive":
                self.constant(piece, header)
                continue
            if kind == "comment":
                if struct is None:
                    doc = tidy(piece)
                elif struct["fields"] and not struct["broken"]:  # behind a field, on its line
                    struct["fields"][-1][1].append(piece)
                else:
                    struct["comments"].append(piece)
                continue
            if struct is not None:
                struct, done = self.inside(struct, piece, where)
                pieces, doc = ("", "") if done else (pieces, doc)
                continue
            if piece == "{":
                struct = {"head": pieces, "fields": [], "comments": [], "doc": doc, "code": "", "open": True,
                          "broken": True}
                continue
            if piece == ";":
                self.declaration(" ".join(w for w in pieces.split() if w not in SKIPPED - {"DIFFULM_API", "DIFFULM_MUST_USE"}),
                                 doc, header, where)
                pieces, doc = "", ""
                continue
            pieces += piece

    def inside(self, struct, piece, where):
        """Between the braces of a struct; `extern "C" {` of C++ stands in directives alone."""
        if piece == ";":
            code = struct["code"].strip()
            if not struct["open"]:
                self.finish(struct, where)
                return None, True
            struct["fields"].append((code, struct["comments"]))
            struct["code"], struct["comments"], struct["broken"] = "", [], False
        elif piece == "}":
            struct["open"] = False
        else:
            struct["broken"] = struct["broken"] or "\n" in piece
            struct["code"] += piece
        return struct, False

    def finish(self, struct, where):
        match = re.search(r"struct\s+(\w+)\s*$", struct["head"].strip())
        if not match:
            sys.exit(f"{where}: a brace that opens no struct: {struct['head']!r}")
        fields = []
        for code, comments in struct["fields"]:
            for kind, name, count in split_fields(code, where):
                field = {"name": name, "type": kind, "doc": " ".join(tidy(c) for c in comments)}
                if count:
                    known = {c["name"]: c["value"] for c in self.constants}
                    field["count"] = int(count) if count.isdigit() else known[count]
                fields.append(field)
        self.structs.append({"name": match.group(1), "fields": fields, "doc": struct["doc"]})

    def declaration(self, code, doc, header, where):
        code = code.strip()
        if not code:
            return
        typedef = re.fullmatch(r"typedef struct (\w+) (\w+)", code)
        if typedef:
            self.handles.append({"name": typedef.group(2), "header": header, "doc": doc})
        elif "DIFFULM_API" in code:
            self.functions.append(function_of(code[code.index("DIFFULM_API"):], doc, header, where))
        elif not code.startswith("typedef int32_t"):
            sys.exit(f"{where}: cannot read {code!r}")


def size_of(kind):
    if not isinstance(kind, str) or kind.endswith("*"):
        return 8
    return SCALARS[kind.replace("const ", "")]


def lay_out(struct):
    """Offsets by the rules of LP64: every scalar at a multiple of its size."""
    at, most = 0, 1
    for field in struct["fields"]:
        size = size_of(field["type"])
        at = (at + size - 1) // size * size
        field["offset"] = at
        at += size * field.get("count", 1)
        most = max(most, size)
    struct["size"] = (at + most - 1) // most * most


def describe(include):
    parser = Parser()
    folder = os.path.join(include, "diffulm")
    for header in sorted(os.listdir(folder)):
        if header.endswith(".h") and header != "diffulm.h":
            parser.read(os.path.join(folder, header), header)
    for struct in parser.structs:
        lay_out(struct)
    return {"library": "diffulm", "data_model": "LP64", "constants": parser.constants, "handles": parser.handles,
            "structs": parser.structs, "functions": parser.functions}


def layout_program(abi):
    lines = ["#include <diffulm/diffulm.h>", "#include <stdio.h>", "int main(void) {"]
    for s in abi["structs"]:
        lines.append(f'printf("{s["name"]} %zu\\n", sizeof(struct {s["name"]}));')
        for f in s["fields"]:
            lines.append(f'printf("{s["name"]}.{f["name"]} %zu\\n", offsetof(struct {s["name"]}, {f["name"]}));')
    for c in abi["constants"]:
        lines.append(f'printf("{c["name"]} %lld\\n", (long long){c["name"]});')
    for f in abi["functions"]:  # taking the address with the described type fails to compile where it differs
        types = ", ".join(c_type(p["type"]) for p in f["parameters"]) or "void"
        lines.append(f'{{ {c_type(f["returns"])} (*p)({types}) = {f["name"]}; (void)p; }}')
    return "\n".join(lines + ["return 0; }", ""])


def c_type(kind):
    if isinstance(kind, str):
        return kind
    inside = ", ".join(c_type(p["type"]) for p in kind["callback"]["parameters"])
    return f'{kind["callback"]["returns"]} (*)({inside})'


def expected_layout(abi):
    out = {c["name"]: c["value"] for c in abi["constants"]}
    for s in abi["structs"]:
        out[s["name"]] = s["size"]
        out.update({f'{s["name"]}.{f["name"]}': f["offset"] for f in s["fields"]})
    return out


def check_layout(abi, include, compiler):
    """Compiles (does not link) and compares; -O0 keeps the functions' addresses out of the way."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, "layout.c"), os.path.join(folder, "layout")
        with open(source, "w", encoding="utf-8") as file:
            file.write(layout_program(abi))
        subprocess.run([compiler, "-std=c11", "-Wall", "-Werror", "-I", include, source, "-o", program,
                        "-Wl,--unresolved-symbols=ignore-all"], check=True)
        text = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    found = {name: int(value) for name, value in (line.split() for line in text.splitlines())}
    wrong = [f"{name}: {found.get(name)} by the compiler, {value} described"
             for name, value in expected_layout(abi).items() if found.get(name) != value]
    return wrong


def check_asserts(abi, include, compiler):
    """The same of a compiler whose programs do not run here."""
    lines = ["#include <diffulm/diffulm.h>", "#include <stddef.h>"]
    for name, value in expected_layout(abi).items():
        struct, _, field = name.partition(".")
        found = f"offsetof(struct {struct}, {field})" if field else f"sizeof(struct {name})" if name.islower() else name
        lines.append(f'_Static_assert({found} == {value}, "{name}");')
    subprocess.run([compiler, "-std=c11", "-Wall", "-Werror", "-I", include, "-x", "c", "-fsyntax-only", "-"],
                   input="\n".join(lines), text=True, check=True)


def check_exports(abi, library):
    text = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    exported = {line.split()[-1].split("@")[0] for line in text.splitlines() if " T " in line}
    described = {f["name"] for f in abi["functions"]}
    return ([f"{name}: in the headers, not exported" for name in sorted(described - exported)] +
            [f"{name}: exported, not in the headers" for name in sorted(exported - described)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("include")
    parser.add_argument("file", nargs="?")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--assert", dest="asserted")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--shared-object")
    a = parser.parse_args()
    abi = describe(a.include)
    text = json.dumps(abi, indent=1, ensure_ascii=False) + "\n"
    if not a.file:
        sys.stdout.write(text)
    elif a.asserted:
        with open(a.file, encoding="utf-8") as file:
            check_asserts(json.load(file), a.include, a.asserted)
    elif a.check:
        with open(a.file, encoding="utf-8") as file:
            if file.read() != text:
                sys.exit(f"{a.file} is not what the headers say: run {os.path.relpath(__file__)} {a.include} {a.file}")
        wrong = check_layout(abi, a.include, a.cc) + (check_exports(abi, a.shared_object) if a.shared_object else [])
        if wrong:
            sys.exit("\n".join(wrong))
    else:
        with open(a.file, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()

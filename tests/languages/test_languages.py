"""The programs of docs/languages.md, built and run as they stand: test_languages.py DIFFULM_PROGRAM MODEL_FOLDER WORK_FOLDER.

The library has to be where pkg-config and the dynamic linker find it; ./dev test-languages sees to that. What is not installed is
skipped and named. WORK_FOLDER/node holds node_modules with koffi."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GUIDE = (ROOT / "docs" / "languages.md").read_text(encoding="utf-8")
PROGRAM, MODEL = (str(pathlib.Path(argument).resolve()) for argument in sys.argv[1:3])
WORK = pathlib.Path(sys.argv[3]).resolve()
PROMPTS = ("Translate into English: Der Hund schläft im Garten.", "Translate into German: The young woman sees a small dog.", "Say ☃.")
STEPS = 10  # of the default sampler


def block(language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.S | re.M)
    assert len(found) == 1, f"{len(found)} blocks of {language} in docs/languages.md, expected 1"
    return found[0]


def commands(heading):
    """The guide's own lines for building and running: those before the last build, the last one runs."""
    section = GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.search(r"^```sh\n(.*?)^```$", section, re.S | re.M).group(1).splitlines()


def run(arguments, folder, check=True):
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=300)
    if check and done.returncode:
        raise AssertionError(f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def fields_of(struct):
    abi = json.loads((ROOT / "bindings" / "abi" / "abi.json").read_text(encoding="utf-8"))
    found = next(s for s in abi["structs"] if s["name"] == struct)
    return [(field["name"], "pointer" if field["type"].endswith("*") else field["type"]) for field in found["fields"]]


class Languages(unittest.TestCase):
    def folder(self, name, file, text):
        folder = WORK / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
        return folder

    def answers(self, command, folder):
        """Text on stdout, a line for every step on stderr; the library's message where there is no model."""
        for prompt in PROMPTS:
            expected = run([PROGRAM, "generate", MODEL, prompt], ROOT).stdout
            done = run([*command, MODEL, prompt], folder)
            self.assertEqual(done.stdout, expected, prompt)
            self.assertEqual(re.findall(r"^step (\d+)", done.stderr, re.M), [str(i + 1) for i in range(STEPS)])
            changes = re.findall(r": (\d+) changes$", done.stderr, re.M)
            if changes:  # the generated positions change once at least
                self.assertEqual(len(changes), STEPS)
                self.assertGreaterEqual(sum(map(int, changes)), len(expected.split()))
        missing = str(WORK / "müssing")
        done = run([*command, missing, "x"], folder, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.strip(), f"{missing}/config.json: cannot be opened: No such file or directory")

    def needs(self, *programs):
        for program in programs:
            if not shutil.which(program):
                self.skipTest(f"{program} is not installed")

    def runs_as_the_guide_says(self, heading, folder, build):
        *before, last = commands(heading)
        if build:
            for line in before:
                run(["bash", "-euc", line], folder)
        command, model = last.split(" MODEL ")
        self.assertEqual(model, '"Write 42 in English words."')
        self.answers(command.split(), folder)

    def test_go(self):
        self.needs("go", "pkg-config")
        folder = self.folder("go", "answer.go", block("go"))
        self.runs_as_the_guide_says("Go", folder, build=True)

    def test_node(self):
        self.needs("node")
        folder = self.folder("node", "answer.mjs", block("js"))
        if not (folder / "node_modules" / "koffi").is_dir():
            self.skipTest("koffi is not installed: npm install koffi@3 in " + str(folder))
        self.runs_as_the_guide_says("Node.js", folder, build=False)

    def test_csharp(self):
        self.needs("mcs", "mono")
        folder = self.folder("csharp", "answer.cs", block("csharp"))
        self.runs_as_the_guide_says("C#", folder, build=True)

    def test_godot_class_over_stand_ins(self):
        self.needs("c++", "pkg-config")
        folder = self.folder("godot", "guide.cpp", block("cpp"))
        for name in re.findall(r"#include <(godot_cpp/.*)>", block("cpp")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "tests" / "languages" / "godot_stand_ins.hpp", folder / name)
        flags = run(["pkg-config", "--cflags", "--libs", "diffulm"], folder).stdout.split()
        run(["c++", "-std=c++17", "-fno-exceptions", "-Wall", "-Wextra", "-Werror", "-UNDEBUG", "-I.",
             str(ROOT / "tests" / "languages" / "godot_main.cpp"), "-o", "answer", *flags], folder)
        self.answers(["./answer"], folder)

    def test_structs_are_those_of_the_abi(self):
        for struct in ("diffulm_text_options", "diffulm_step_report"):
            node = re.search(rf"koffi\.struct\('{struct}', \{{(.*?)\}}", block("js"), re.S).group(1)
            kinds = [(name, "pointer" if kind.endswith("*") else kind) for name, kind in re.findall(r"(\w+): '([^']+)'", node)]
            self.assertEqual(kinds, fields_of(struct))
            named = "".join(part.capitalize() for part in struct.split("_")[1:])
            csharp = re.search(rf"struct {named} \{{(.*?)\}}", block("csharp")).group(1)
            types = {"UIntPtr": "size_t", "long": "int64_t", "int": "int32_t", "IntPtr": "pointer"}
            kinds = [(name, types[kind]) for kind, names in re.findall(r"public (\w+) ([^;]+);", csharp) for name in names.split(", ")]
            self.assertEqual(kinds, fields_of(struct))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)

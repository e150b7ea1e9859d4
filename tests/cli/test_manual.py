"""The manual page and the completions that the build makes: test_manual.py PROGRAM FOLDER"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])


def output(*command, **more):
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, **more)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def helped():
    """{command: its options}, as --help shows them: another way out of the program than --describe."""
    commands = re.findall(r"^  ([a-z]+) ", output(PROGRAM, "--help"), re.M)
    return {c: re.findall(r"^  --(\S+)", output(PROGRAM, c, "--help"), re.M) for c in commands}


def plain(text):
    """troff without fonts and escapes."""
    return re.sub(r"\\f.", "", text).replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def bash(*words):
    """What bash offers behind these words."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _diffulm; printf "%s\\n" "${COMPREPLY[@]}"'
    text = output("bash", "--norc", "-c", script, "bash", FOLDER / "diffulm.bash", "diffulm", *words)
    return [line for line in text.split("\n") if line]


class Manual(unittest.TestCase):
    def setUp(self):
        self.commands = helped()
        self.assertGreater(len(self.commands), 10)

    def test_manual_has_every_option_of_every_command(self):
        text = (FOLDER / "diffulm.1").read_text()
        sections = dict(re.findall(r'^\.SS "diffulm ([a-z]+) .*?"\n(.*?)(?=^\.S[SH])', text, re.M | re.S))
        self.assertEqual(list(sections), list(self.commands))
        for command, options in self.commands.items():
            self.assertIn("help", options)
            self.assertEqual(re.findall(r"^--(\S+)", plain(sections[command]), re.M), options, command)

    def test_manual_has_the_exit_codes_and_the_version(self):
        text = plain((FOLDER / "diffulm.1").read_text())
        for code, meaning in re.findall(r"(\d+) ([^,.]+)", output(PROGRAM, "--help").split("Exit codes:")[1]):
            self.assertIn(f".B {code}\n{meaning}\n", text)
        self.assertIn(output(PROGRAM, "--version").strip(), text)

    def test_manual_is_sound_troff(self):
        page, checked = str(FOLDER / "diffulm.1"), []
        self.assertTrue(page.isprintable() and (FOLDER / "diffulm.1").read_bytes().isascii())
        if shutil.which("mandoc"):  # the page bears no date, so that builds repeat
            done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, text=True)
            self.assertEqual([line for line in done.stdout.splitlines() if "missing date" not in line], [])
            checked.append("mandoc")
        if shutil.which("groff"):
            done = subprocess.run(["groff", "-man", "-ww", "-Tascii", page], capture_output=True, text=True)
            if "can't open" in done.stderr or "cannot load" in done.stderr or "fatal" in done.stderr:
                print("groff without its macros: not checked")  # Debian's groff-base alone
            else:
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                checked.append("groff")
        print("manual checked by:", ", ".join(checked) or "nothing, mandoc and groff are absent")

    def test_bash_offers_commands_options_and_files(self):
        self.assertLessEqual(set(self.commands), set(bash("")))
        self.assertEqual(bash("gen"), ["generate"])
        for command, options in self.commands.items():
            self.assertEqual(bash(command, "--"), [f"--{o}" for o in options], command)
        self.assertEqual(bash("generate", "MODEL", "--len"), ["--length", "--length-beam"])
        self.assertEqual(bash("generate", "--steps", ""), [])
        self.assertEqual(bash("recipe", "ch"), ["check"])
        self.assertEqual(bash("nonsense", "--"), [])
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "two words").touch()
            for words in (["generate", "--file", folder + "/"], ["inspect", folder + "/"]):
                self.assertEqual(bash(*words), [folder + "/two words"])

    def test_zsh_and_fish_have_every_option(self):
        for name, start in (("_diffulm", "'--{}["), ("diffulm.fish", " -l {} ")):
            text = (FOLDER / name).read_text()
            for options in self.commands.values():
                for option in options:
                    self.assertIn(start.format(option), text)

    @unittest.skipUnless(shutil.which("zsh"), "zsh is absent")
    def test_zsh_loads_its_completion(self):
        output("zsh", "-n", FOLDER / "_diffulm")
        self.assertEqual(output("zsh", "-f", "-c", f'autoload -U compinit; compinit -D -u; fpath=({FOLDER} $fpath); '
                                "autoload -Uz _diffulm; autoload +X _diffulm; print ok"), "ok\n")

    @unittest.skipUnless(shutil.which("fish"), "fish is absent")
    def test_fish_offers_commands_and_options(self):
        def fish(line):
            with tempfile.TemporaryDirectory() as home:
                text = output("fish", "--no-config", "-c", f'source {FOLDER}/diffulm.fish; complete -C "{line}"',
                              env={**os.environ, "HOME": home})
            return [entry.split("\t")[0] for entry in text.splitlines()]
        self.assertLessEqual(set(self.commands), set(fish("diffulm ")))
        for command, options in self.commands.items():
            self.assertEqual(sorted(fish(f"diffulm {command} --")), sorted(f"--{o}" for o in options), command)
        self.assertIn("check", fish("diffulm recipe "))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

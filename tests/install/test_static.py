"""The static archive as a host links it, from what an installation left and pkg-config finds.

  test_static.py SOURCE_FOLDER STATIC_PREFIX

STATIC_PREFIX holds an installation with -Ddefault_library=static -Donednn=disabled.
"""
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE, STATIC = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
MODEL, PROMPT = str(SOURCE / "examples/mini"), "Translate into German: The dog sleeps."
EXAMPLE = str(SOURCE / "examples/01_generate.c")


def output(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def symbols(*arguments):
    return {line.split()[-1].split("@")[0] for line in output("nm", *arguments).splitlines() if len(line.split()) == 3}


def static_flags():
    """As docs/installing.md says."""
    flags = output("pkg-config", "--cflags", "--libs", "--static", "diffulm")
    return flags.replace("-ldiffulm", "-l:libdiffulm.a").split()


def link(out, *arguments):
    output("cc", "-O1", *arguments, "-o", out, *static_flags())


class Archive(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.folder = pathlib.Path(kept.name)
        self.archive = pathlib.Path(output("pkg-config", "--variable=libdir", "diffulm").strip()) / "libdiffulm.a"
        if not self.archive.is_file():  # staged: pkg-config puts the root in front of flags, not of variables
            self.archive = pathlib.Path(os.environ["PKG_CONFIG_SYSROOT_DIR"] + str(self.archive))

    def test_only_the_api_is_global(self):
        described = json.loads((SOURCE / "bindings/abi/abi.json").read_text())
        self.assertEqual(symbols("-g", "--defined-only", self.archive), {f["name"] for f in described["functions"]})

    def test_an_example_runs_without_the_shared_library(self):
        link(self.folder / "static", EXAMPLE)
        output("cc", EXAMPLE, "-o", self.folder / "shared", *output("pkg-config", "--cflags", "--libs", "diffulm").split())
        self.assertIn("libdiffulm.so.0.1", output("ldd", self.folder / "shared"))
        self.assertNotIn("libdiffulm", output("ldd", self.folder / "static"))
        answers = {output(self.folder / kind, MODEL, PROMPT) for kind in ("static", "shared")}
        self.assertEqual(len(answers), 1)
        self.assertIn("Hund", answers.pop())

    def test_a_host_may_use_every_name_that_is_internal_to_us(self):
        names = {name for name in symbols("--defined-only", self.archive) if name.startswith("dulm_") and "." not in name}
        self.assertGreater(len(names), 300)
        functions = "".join(f"void {name}(void);\nvoid {name}(void) {{ abort(); }}\n" for name in sorted(names))
        (self.folder / "clash.c").write_text("#include <stdlib.h>\n" + functions)
        link(self.folder / "host", EXAMPLE, self.folder / "clash.c")
        self.assertLessEqual(names, symbols("-g", self.folder / "host"))
        self.assertIn("Hund", output(self.folder / "host", MODEL, PROMPT))

    def test_a_shared_object_with_us_inside_exports_its_own_symbols_alone(self):
        (self.folder / "host.c").write_text(
            "#include <diffulm/diffulm.h>\nconst char *host_version(void);\n"
            "const char *host_version(void) { return diffulm_version(); }\n")
        plugin = self.folder / "host.so"
        link(plugin, "-shared", "-fPIC", self.folder / "host.c", "-Wl,--exclude-libs,libdiffulm.a")
        self.assertEqual(symbols("-D", "--defined-only", plugin), {"host_version"})
        host = ctypes.CDLL(str(plugin))
        host.host_version.restype = ctypes.c_char_p
        self.assertEqual(host.host_version(), b"0.1.0")

    def test_default_library_static_installs_no_shared_library_and_links_without_any(self):
        installed = [path.name for path in STATIC.rglob("libdiffulm*")]
        self.assertEqual(installed, ["libdiffulm.a"])
        folder = next(STATIC.rglob("diffulm.pc")).parent
        flags = output("pkg-config", "--cflags", "--libs", "--static", "diffulm",
                       env={**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(STATIC), "PKG_CONFIG_PATH": str(folder)})
        output("cc", EXAMPLE, "-static", "-o", self.folder / "alone", *flags.split())
        self.assertIn("Hund", output(self.folder / "alone", MODEL, PROMPT))
        self.assertIn("Hund", output(next(STATIC.rglob("bin/diffulm")), "generate", MODEL, PROMPT))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

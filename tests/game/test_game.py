"""The game as it is played, on a screen that nobody sees: test_game.py GAME DIFFULM MODEL_FOLDER, under xvfb-run. No test looks at
the clock: frames are held to what the model's own share of them may be, in CPU time; how many are kept is benchmarks/game.py."""
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "examples" / "game"))
import pack  # noqa: E402
import png  # noqa: E402

GAME, DIFFULM, MODEL = sys.argv[1:4]
POLICY = "reparam-uncond-stochastic1.0-cosine"
SEED, LINES, ENOUGH = "3", "10", "1000000"
PAPER, INK = (255, 252, 244), (36, 32, 40)
# Software all through: SDL would else show its picture by way of Mesa, which costs more than all the drawing.
os.environ.update(SDL_VIDEODRIVER="x11", SDL_RENDER_DRIVER="software", SDL_FRAMEBUFFER_ACCELERATION="0")


def model_files():
    names = ("config.json", "length_head.safetensors", "model.safetensors", "tokenizer.json")
    return {name: (pathlib.Path(MODEL) / name).read_bytes() for name in names}


class Game(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.pak = cls.path("mini.pak")
        done = subprocess.run([sys.executable, ROOT / "examples/game/pack.py", MODEL, cls.pak], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    def run_game(self, *arguments):
        return subprocess.run([GAME, *arguments], capture_output=True, text=True, timeout=300)

    def play(self, *arguments):
        """The lines said, as (name, prompt, answer, changes), and the report of the frames."""
        histogram = self.path("frames.json")
        done = self.run_game(self.pak, "--histogram", histogram, "--seed", SEED, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(pathlib.Path(histogram).read_text())
        for kind in ("busy", "apart"):
            self.assertEqual(sum(report[kind]["tenths"]), report["frames"])
        writer, busy = report["writer"], report["busy"]
        print(f"\n{' '.join(arguments)}: {report['frames']} frames, {100 * busy['good']:.0f} % of them ready within 16.7 ms; median "
              f"{busy['median']:.2f}, longest {busy['max']:.2f} of it; {writer['frame_pieces']} steps and openings in the frame loop, at "
              f"most {writer['longest_frame_us']:.0f} us of a frame and {writer['longest_piece_us']:.0f} us each, "
              f"{writer['thread_pieces']} in the thread\n  tenths of 16.7 ms: {' '.join(map(str, busy['tenths'][:20]))} "
              f"{sum(busy['tenths'][20:])}", flush=True)
        return [line.split("\t") for line in done.stdout.splitlines()], report

    def prompts_of(self, name):
        text = (ROOT / "examples/game/cast.c").read_text()
        return re.findall(r'"([^"]+)"', re.search(rf'"{name}",(.*?)\.coat', text, re.S).group(1))

    def assert_model_said(self, lines):
        self.assertGreaterEqual(len(lines), int(LINES))
        self.assertGreaterEqual(len({prompt for _, prompt, _, _ in lines}), 5)
        for _, prompt, answer, changes in lines:
            done = subprocess.run([DIFFULM, "generate", MODEL, prompt, "--policy", POLICY, "--seed", SEED, "--threads", "1",
                                   "--json"], capture_output=True, text=True, timeout=120)
            said = json.loads(done.stdout)
            self.assertEqual(answer, said["text"])
            # Policy, steps and seed seldom change the text of so sure a model, but always the way to it.
            self.assertEqual(int(changes), sum(len(step) for step in said["steps"]), prompt)

    def test_a_thread_says_what_the_program_answers_and_takes_nothing_from_the_frames(self):
        lines, report = self.play("--lines", LINES)
        self.assert_model_said(lines)
        writer = report["writer"]
        self.assertTrue(writer["threaded"])
        self.assertEqual(writer["frame_pieces"], 0)
        self.assertEqual(writer["longest_frame_us"], 0)

    def test_the_frame_loop_says_the_same_when_its_budget_has_room_for_all(self):
        lines, report = self.play("--lines", LINES, "--budget", ENOUGH)
        self.assert_model_said(lines)
        self.assertFalse(report["writer"]["threaded"])
        self.assertEqual(report["writer"]["thread_pieces"], 0)

    def test_a_frame_takes_the_budget_and_one_step_at_most(self):
        # Half as long again as the longest step here: it fits, and several that fall into one frame do not, however fast
        # the machine is.
        _, report = self.play("--lines", "5", "--budget", ENOUGH)
        budget = int(1.5 * report["writer"]["longest_piece_us"])
        lines, report = self.play("--lines", LINES, "--budget", str(budget))
        self.assert_model_said(lines)
        writer = report["writer"]
        self.assertLessEqual(writer["latest_start_us"], budget)
        self.assertLessEqual(writer["longest_frame_us"], budget + writer["longest_piece_us"])
        self.assertGreater(writer["frame_pieces"], 0)
        self.assertEqual(writer["threaded"], writer["longest_piece_us"] > budget)

    def test_a_step_that_exceeds_the_budget_moves_the_work_to_a_thread(self):
        lines, report = self.play("--lines", LINES, "--budget", "1")
        self.assert_model_said(lines)
        writer = report["writer"]
        self.assertTrue(writer["threaded"])
        self.assertEqual(writer["frame_pieces"], 1)
        self.assertGreater(writer["thread_pieces"], 0)

    def test_keys_ask_for_the_next_line_take_a_picture_and_leave(self):
        folder = self.path("keys")
        os.mkdir(folder)
        game = subprocess.Popen([os.path.abspath(GAME), self.pak], cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            self.assertTrue(game.stdout.readline())  # so the window is there
            found = subprocess.run(["xdotool", "search", "--name", "^market"], capture_output=True, text=True).stdout.split()
            self.assertEqual(len(found), 1)
            subprocess.run(["xdotool", "windowfocus", "--sync", found[0], "key", "s"], check=True)
            # Round after round of the cast: a line that is asked for while another is being written replaces it, and a
            # prompt of the list is passed over. Again and again, since a busy machine may deliver the keys too late.
            prompts, said = self.prompts_of("Anna"), []
            for _ in range(10):
                subprocess.run(["xdotool", "key", *["space"] * 10], check=True)
                while True:
                    name, prompt, _, _ = game.stdout.readline().split("\t")
                    if name == "Anna":
                        break
                said.append(prompts.index(prompt))
                if len(said) > 1 and said[-1] != (said[-2] + 1) % len(prompts):
                    break
            else:
                self.fail(f"no line was passed over: {said}")
            subprocess.run(["xdotool", "key", "Escape"], check=True)
            game.communicate(timeout=60)
            self.assertEqual(game.returncode, 0)
        finally:
            game.kill()
            game.wait()
            game.stdout.close()
        self.assertEqual(len(list(pathlib.Path(folder).glob("game-*.bmp"))), 1)

    def test_the_screenshot_shows_bubbles_once_someone_speaks(self):
        counts = []
        for frames in ("1", "150"):
            picture = self.path("picture.bmp")
            self.play("--frames", frames, "--budget", ENOUGH, "--screenshot", picture)
            width, height, rows = png.pixels(pathlib.Path(picture).read_bytes())
            self.assertEqual((width, height, len(rows)), (960, 540, 540))
            seen = [tuple(row[i:i + 3]) for row in rows for i in range(0, len(row), 3)]
            self.assertGreater(len(set(seen)), 50)
            counts.append({color: seen.count(color) for color in (PAPER, INK)})
        self.assertLess(counts[0][PAPER], 1000)  # the legend's letters
        self.assertGreater(counts[1][PAPER], 5 * 60 * 100)
        self.assertGreater(counts[1][INK], counts[0][INK] + 5 * 500)

    def test_png_has_the_pixels_of_the_screenshot(self):
        picture, out = self.path("small.bmp"), self.path("small.png")
        self.play("--frames", "1", "--screenshot", picture)
        done = subprocess.run([sys.executable, ROOT / "examples/game/png.py", picture, out], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        data, chunks, at = pathlib.Path(out).read_bytes(), {}, 8
        while at < len(data):
            length, kind = struct.unpack_from(">I4s", data, at)
            chunks[kind] = data[at + 8:at + 8 + length]
            self.assertEqual(struct.unpack_from(">I", data, at + 8 + length)[0], zlib.crc32(data[at + 4:at + 8 + length]))
            at += 12 + length
        width, height, rows = png.pixels(pathlib.Path(picture).read_bytes())
        self.assertEqual(struct.unpack_from(">II", chunks[b"IHDR"]), (width, height))
        self.assertEqual(zlib.decompress(chunks[b"IDAT"]), b"".join(b"\0" + row for row in rows))

    def test_a_damaged_archive_is_named_with_what_is_wrong(self):
        files = model_files()
        whole = pack.pack(list(files.items()))
        without = {name: data for name, data in files.items() if name != "model.safetensors"}
        weights = files["model.safetensors"]
        cases = [(whole[:len(whole) // 2], "bytes from byte"), (whole[:100], "ends in its table"), (b"", "too few"),
                 (b"D" + whole[1:], "no archive"),
                 (pack.pack(list(without.items())), "model.safetensors"),
                 (pack.pack(list({**files, "config.json": b"{"}.items())), "config.json"),
                 (pack.pack(list({**files, "model.safetensors": weights[:5000]}.items())), "model.safetensors"),
                 (pack.pack(list({**files, "tokenizer.json": b"[]"}.items())), "tokenizer.json"),
                 (pack.pack([*files.items(), ("config.json", b"{}")]), "config.json is there twice")]
        for data, why in cases:
            damaged = self.path("damaged.pak")
            pathlib.Path(damaged).write_bytes(data)
            done = self.run_game(damaged, "--frames", "1")
            self.assertEqual(done.returncode, 1, why)
            self.assertIn("damaged.pak", done.stderr)
            self.assertIn(why, done.stderr)
        done = self.run_game("/nonexistent/game.pak")
        self.assertEqual((done.returncode, done.stderr), (1, "game: /nonexistent/game.pak: can't be opened\n"))

    def test_wrong_command_lines_show_the_usage(self):
        for arguments in ([], ["a", "b"], [self.pak, "--frames"], [self.pak, "--frames", "-1"], [self.pak, "--frames", "1x"],
                          [self.pak, "--nonsense"], [self.pak, "--budget", "99999999999999999999"]):
            done = self.run_game(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("usage: game PAK", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

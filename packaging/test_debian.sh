#!/usr/bin/env bash
# Installs the packages of build-package/ into a fresh Debian, which is thrown away, and uses them there.
set -euo pipefail
cd "$(dirname "$0")/.."
. /etc/os-release
sources=()
for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do [ -s $file ] && sources=("$file") && break; done
mmdebstrap --quiet --variant=minbase --format=null --dpkgopt=force-unsafe-io --aptopt='Acquire::Languages "none"' \
    --include=gcc,libc6-dev,pkg-config,bash-completion,ca-certificates \
    --customize-hook="copy-in $(echo "$PWD"/build-package/*.deb) packaging/in_debian.sh /tmp" \
    --customize-hook='chroot "$1" bash /tmp/in_debian.sh' "$VERSION_CODENAME" /dev/null "${sources[@]}"

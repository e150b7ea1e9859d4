# Runs inside the fresh Debian of test_debian.sh.
set -euo pipefail
cd /tmp
apt-get install -y -qq --no-install-recommends ./*.deb >log 2>&1 || { cat log; exit 1; }
model=/usr/share/diffulm/mini prompt="Translate into German: The dog sleeps." answer="Der Hund schläft."
same() { [ "$1" = "$2" ] || { echo "package: expected '$2', got '$1'" >&2; exit 1; }; }

same "$(diffulm generate $model "$prompt")" "$answer"
[ -s /usr/share/man/man1/diffulm.1.gz ]
same "$(bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader diffulm || true; complete -p diffulm')" "complete -o filenames -F _diffulm diffulm"

example=/usr/share/doc/libdiffulm-dev/examples/01_generate.c
gcc $example -o shared $(pkg-config --cflags --libs diffulm)
same "$(./shared $model "$prompt")" "$answer"
gcc $example -o static $(pkg-config --cflags --libs --static diffulm | sed 's/-ldiffulm/-l:libdiffulm.a/')
cp -r $model mini
apt-get purge -y -qq libdiffulm0.1 >/dev/null 2>&1
[ ! -e $model ] && [ ! -e /usr/bin/diffulm ]
same "$(./static ./mini "$prompt")" "$answer"
same "$(dpkg-query -W -f '${Package}\n' '*diffulm*' 2>/dev/null || true)" ""
echo "package: installed, used and removed in Debian $(cat /etc/debian_version)"

#!/bin/sh
# install_config.sh SAMPLE DIRECTORY: installs mansio.conf where there is none, else mansio.conf.sample beside it.
set -eu
case $2 in
  /*) directory=${DESTDIR:-}$2 ;;
  *) directory=$MESON_INSTALL_DESTDIR_PREFIX/$2 ;;
esac
mkdir -p "$directory/conf.d"
target=$directory/mansio.conf
test ! -e "$target" || target=$directory/mansio.conf.sample
cp "$1" "$target"
chmod 644 "$target"

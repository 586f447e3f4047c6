#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make ./configure from configure.ac; needed once after a clone.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux m4
exec autoreconf --install --force ${1:+"$@"}

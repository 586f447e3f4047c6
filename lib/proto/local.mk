# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libproto.a
%C%_libproto_a_SOURCES =

# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libcodec.a
%C%_libcodec_a_SOURCES =

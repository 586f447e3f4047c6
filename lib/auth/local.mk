# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += %D%/libauth.a
%C%_libauth_a_SOURCES =

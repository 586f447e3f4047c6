# SPDX-License-Identifier: Apache-2.0
# Scenarios are found by their names, so the directory goes as it is.
EXTRA_DIST += %D%
dist-hook:
	find '$(distdir)' -name __pycache__ -prune -exec rm -rf {} +

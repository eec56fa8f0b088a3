# SPDX-License-Identifier: MIT
pytest_plugins = ["querykit.testing"]

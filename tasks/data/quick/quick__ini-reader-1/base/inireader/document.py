# SPDX-License-Identifier: MIT
"""The parsed form of a settings file."""


class IniError(ValueError):
    def __init__(self, message, line):
        super().__init__(f"line {line}: {message}")
        self.line = line


class Document:
    """Sections in the order in which they were first seen; keys are case-insensitive."""

    TRUE = {"1", "yes", "true", "on"}
    FALSE = {"0", "no", "false", "off"}

    def __init__(self):
        self._sections = {}

    def add_section(self, name):
        return self._sections.setdefault(name, {})

    def set(self, section, key, value):
        self.add_section(section)[key.lower()] = value

    def get(self, section, key, default=None):
        return self._sections.get(section, {}).get(key.lower(), default)

    def getbool(self, section, key, default=False):
        value = self.get(section, key)
        if value is None:
            return default
        word = value.lower()
        if word in self.TRUE:
            return True
        if word in self.FALSE:
            return False
        raise ValueError(f"{section}.{key}: not a truth value: {value!r}")

    def sections(self):
        return list(self._sections)

    def items(self, section):
        return list(self._sections.get(section, {}).items())

# SPDX-License-Identifier: MIT
"""Units by name: 'km = 1000 m', 'degF = 5/9 K + 255.372'."""


class UnknownUnit(KeyError):
    pass


class Registry:
    def __init__(self):
        self.units = {}

    def define(self, line):
        name, _, rest = (part.strip() for part in line.partition("="))
        scale, base, *offset = rest.split()
        over, _, under = scale.partition("/")
        factor = float(over) / float(under or 1)
        shift = float(offset[1]) if offset else 0.0
        if base in self.units:
            kind, f, s = self.units[base]
            self.units[name] = (kind, factor * f, shift)
        else:
            self.units[name] = (base, factor, shift)

    def lookup(self, name):
        if name in self.units:
            return self.units[name]
        for prefix, scale in (("k", 1e3), ("m", 1e-3), ("M", 1e6)):
            if name.startswith(prefix) and name[1:] in self.units:
                kind, factor, shift = self.units[name[1:]]
                return kind, factor * scale, shift
        raise UnknownUnit(name)

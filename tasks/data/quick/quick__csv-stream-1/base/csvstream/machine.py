# SPDX-License-Identifier: MIT
"""A push parser for comma separated values: feed() it pieces of text, get the records that became complete."""

START, PLAIN, QUOTED = "start", "plain", "quoted"


class CsvError(ValueError):
    pass


class Reader:
    def __init__(self, delimiter=",", quote='"', strict=True):
        self.delimiter = delimiter
        self.quote = quote
        self.strict = strict
        self.line = 1
        self._state = START
        self._field = []
        self._record = []
        self._out = []

    def feed(self, text):
        """Take a piece of the text; return the list of records it completed."""
        i = 0
        while i < len(text):
            char = text[i]
            following = text[i + 1] if i + 1 < len(text) else ""
            i += 1
            if self._state == QUOTED:
                if char == self.quote and following == self.quote:
                    self._field.append(char)
                    i += 1
                elif char == self.quote:
                    self._state = PLAIN
                else:
                    if char == "\n":
                        self.line += 1
                    self._field.append(char)
            elif char == self.quote and self._state == START:
                self._state = QUOTED
            elif char == self.delimiter:
                self._end_field()
            elif char in "\r\n":
                if char == "\r" and following == "\n":
                    self.line += 1
                    i += 1
                self.line += 1
                self._end_record()
            else:
                if char == self.quote and self.strict:
                    raise CsvError(f"line {self.line}: quote inside a plain field")
                self._field.append(char)
                self._state = PLAIN
        out, self._out = self._out, []
        return out

    def close(self):
        """End of the text; return the last record if it had no line end."""
        if self._state == QUOTED:
            raise CsvError(f"line {self.line}: the text ends inside quotes")
        if self._record or self._field or self._state != START:
            self._end_record()
        out, self._out = self._out, []
        return out

    def _end_field(self):
        self._record.append("".join(self._field))
        self._field = []
        self._state = START

    def _end_record(self):
        blank = not self._record and not self._field and self._state == START
        self._end_field()
        record, self._record = self._record, []
        self._out.append([] if blank else record)
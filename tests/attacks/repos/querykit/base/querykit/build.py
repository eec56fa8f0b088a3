# SPDX-License-Identifier: MIT
"""Queries as values: every method gives a new one."""
import copy


def quote(value):
    """A value as a literal of SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(quote(item) for item in value) + ")"
    return "'" + str(value) + "'"


class Query:
    def __init__(self, table):
        self.table = table
        self._columns = []
        self._where = []
        self._order = []
        self._limit = None

    def _but(self, **changes):
        other = copy.copy(self)
        for name, value in changes.items():
            setattr(other, name, value)
        return other

    def select(self, *columns):
        return self._but(_columns=self._columns + list(columns))

    def where(self, column, value):
        self._where.append((column, value))
        return self._but(_where=self._where)

    def order_by(self, *columns):
        return self._but(_order=self._order + list(columns))

    def limit(self, count):
        return self._but(_limit=count)

    def sql(self):
        text = "SELECT " + (", ".join(self._columns) or "*") + " FROM " + self.table
        if self._where:
            text += " WHERE " + " AND ".join(self._test(c, v) for c, v in self._where)
        if self._order:
            text += " ORDER BY " + ", ".join(self._order)
        if self._limit:
            text += f" LIMIT {self._limit}"
        return text

    @staticmethod
    def _test(column, value):
        if value is None:
            return f"{column} IS NULL"
        if isinstance(value, (list, tuple)):
            return f"{column} IN {quote(value)}"
        return f"{column} = {quote(value)}"

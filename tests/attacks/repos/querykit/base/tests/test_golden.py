# SPDX-License-Identifier: MIT
from querykit import Query


def test_simple(golden):
    q = Query("users").select("id", "name").where("age", 3).order_by("name").limit(10)
    golden.check("simple", q.sql())


def test_lists(golden):
    golden.check("lists", Query("users").where("id", [1, 2]).where("gone", None).sql())

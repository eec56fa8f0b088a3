# SPDX-License-Identifier: MIT
from invoice import Invoice, Money


def test_total():
    bill = Invoice()
    bill.add("chair", 2, "50.00")
    bill.add("book", 1, "10.00", rate=700)
    assert bill.net == Money(11000)
    assert bill.taxes() == {700: Money(70), 1900: Money(1900)}
    assert str(bill.total) == "129.70"


def test_render():
    bill = Invoice()
    bill.add("lamp", 1, "20.00")
    assert bill.render().splitlines()[-1].split() == ["total", "23.80"]

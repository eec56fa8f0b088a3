# SPDX-License-Identifier: MIT
require 'minitest/autorun'
require 'rpn'

class TestRpn < Minitest::Test
  def test_sum
    assert_equal 5, Rpn.new.evaluate('2 3 +')
  end
end

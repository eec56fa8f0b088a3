# SPDX-License-Identifier: MIT
# Reverse Polish arithmetic.
class Rpn
  class Error < StandardError; end

  def evaluate(text)
    stack = []
    text.split.each do |token|
      case token
      when '+', '-', '*', '/'
        a, b = stack.pop, stack.pop
        stack.push(a.send(token, b))
      else
        stack.push(Integer(token))
      end
    end
    stack.pop
  end
end

# SPDX-License-Identifier: MIT
use strict;
use warnings;
use Test::More;
use Text::Fold qw(fold unfold width);

is(fold('a b', 10), 'a b', 'fits');
is(fold('aaa bbb', 4), "aaa\nbbb", 'breaks');
is(width('abc'), 3, 'plain width');
is(unfold("a\nb"), 'a b', 'one line');
done_testing();

# SPDX-License-Identifier: MIT
package Text::Fold;
use strict;
use warnings;
use Exporter 'import';

our $VERSION   = '0.03';
our @EXPORT_OK = qw(fold unfold width);

# Columns that a text takes: a tab leads to the next multiple of eight.
sub width {
    my ($text) = @_;
    my $column = 0;
    for my $char (split //, $text) {
        $column += $char eq "\t" ? 8 : 1;
    }
    return $column;
}

# Lines of at most $columns, broken at spaces.
sub fold {
    my ($text, $columns) = @_;
    my @lines = ('');
    for my $word (split ' ', $text) {
        if (length($lines[-1]) + length($word) > $columns) {
            push @lines, $word;
        }
        else {
            $lines[-1] .= ($lines[-1] eq '' ? '' : ' ') . $word;
        }
    }
    return join "\n", @lines;
}

# Paragraphs as one line each.
sub unfold {
    my ($text) = @_;
    $text =~ s/\n/ /g;
    return $text;
}

1;

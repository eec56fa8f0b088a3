// SPDX-License-Identifier: MIT
'use strict';
const test = require('node:test');
const assert = require('node:assert');
const { render, find } = require('..');

const tree = { name: 'a', children: [{ name: 'b' }, { name: 'c', children: [{ name: 'd' }] }] };

test('renders', () => {
  assert.deepStrictEqual(render(tree), ['a', '- b', '- c', '- - d']);
});

test('finds the first', () => {
  assert.strictEqual(find(tree, 'a/b').name, 'b');
});

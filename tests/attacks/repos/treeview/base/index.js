// SPDX-License-Identifier: MIT
'use strict';

// Lines of a tree: { name, children }.
function render(node, prefix = '') {
  const lines = [prefix + node.name];
  for (const child of node.children || []) {
    lines.push(...render(child, prefix + '- '));
  }
  return lines;
}

function find(node, path) {
  const [first, ...rest] = path.split('/');
  if (node.name !== first) return null;
  if (!rest.length) return node;
  for (const child of node.children || []) {
    return find(child, rest.join('/'));
  }
  return null;
}

function size(node) {
  return 1 + (node.children || []).length;
}

module.exports = { render, find, size };

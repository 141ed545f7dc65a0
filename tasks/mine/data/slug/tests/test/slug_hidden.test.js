'use strict';
const test = require('node:test');
const assert = require('node:assert');
const { slug } = require('../src/slug.js');

test('runs of other characters become one hyphen', () => {
  assert.strictEqual(slug('Hello,   World!?'), 'hello-world');
});

test('no hyphen at the ends', () => {
  assert.strictEqual(slug('  (draft) Plan B  '), 'draft-plan-b');
});

test('accents are dropped and ß is ss', () => {
  assert.strictEqual(slug('Café Straße'), 'cafe-strasse');
});

test('digits stay', () => {
  assert.strictEqual(slug('Top 10'), 'top-10');
});

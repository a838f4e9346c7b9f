import { expect, it } from 'vitest';
import { templateOf } from '../../../src/engines/dnf/tree/unit-name.ts';

it('finds the template of a unit as systemd does: between the first "@" and the last "."', () => {
  expect(templateOf('vlan@eth0.100.service')).toBe('vlan@.service');
  expect(templateOf('getty@tty1.service')).toBe('getty@.service');
  expect(templateOf('a@b@c.d.timer')).toBe('a@.timer');
  expect(templateOf('a@.service')).toBe('a@.service');
  expect(templateOf('a.b.service')).toBe('a.b.service');
  expect(templateOf('a.b@c')).toBe('a.b@c');
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseControl, parseRelations } from '../../src/lab/control.ts';

describe('parseControl', () => {
  it('reads fields and joins continuation lines', () => {
    const fields = parseControl(
      'Package: tool\nVersion: 1:2.0-3\nDescription: a tool\n that does\n .\n more\nEmpty:\n',
    );
    expect(Object.fromEntries(fields)).toEqual({
      Package: 'tool',
      Version: '1:2.0-3',
      Description: 'a tool\nthat does\n.\nmore',
      Empty: '',
    });
  });

  it('refuses what is not a control file', () => {
    expect(() => parseControl('Package: a\nno field here')).toThrow(/no field here/);
    expect(() => parseControl(' starts with a continuation')).toThrow(/Not a line/);
  });
});

describe('parseRelations', () => {
  it('reads alternatives, versions and architecture qualifiers', () => {
    expect(parseRelations('libc6 (>= 2.34), awk | mawk:any(<<2~), python3:any')).toEqual([
      [{ name: 'libc6', constraint: { operator: '>=', version: '2.34' } }],
      [{ name: 'awk' }, { name: 'mawk', constraint: { operator: '<<', version: '2~' } }],
      [{ name: 'python3' }],
    ]);
  });

  it.each([undefined, '', ' ', ', ,'])('takes %j as no relations', (field) => {
    expect(parseRelations(field)).toEqual([]);
  });

  it.each(['a b', 'a (> 1)', 'a (>= )', '| a', 'a [amd64]'])('refuses %j', (field) => {
    expect(() => parseRelations(field)).toThrow(/Not a dependency/);
  });

  it('reads back what it is given', () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{1,12}$/);
    const operator = fc.constantFrom('<<' as const, '<=' as const, '=' as const, '>=' as const, '>>' as const);
    const relation = fc.oneof(
      name.map((it) => ({ name: it })),
      fc
        .tuple(name, operator, fc.stringMatching(/^[0-9][a-z0-9.+~]{0,8}$/))
        .map(([it, op, version]) => ({ name: it, constraint: { operator: op, version } })),
    );
    fc.assert(
      fc.property(fc.array(fc.array(relation, { minLength: 1, maxLength: 3 }), { maxLength: 4 }), (groups) => {
        const text = groups
          .map((group) =>
            group
              .map((it) =>
                'constraint' in it ? `${it.name} (${it.constraint.operator} ${it.constraint.version})` : it.name,
              )
              .join(' | '),
          )
          .join(', ');
        expect(parseRelations(text)).toEqual(groups);
      }),
    );
  });
});

/** Values of the machine's inside as the view writes them. */
import { describe, expect, it } from 'vitest';
import { fieldText, fieldsText, revived, valueText } from '../../../src/debug/state-text';
import { choice, flag, number, pointer } from '../../../src/trace/vocabulary/bit-fields';

const fields = [
  flag('EN', 1),
  number('CT', 4, 11),
  choice('speed', 12, 13, ['10', '100']),
  pointer('base', 16, 31),
];
const register = { kind: 'register', value: 0xabcd1ff2n, bits: 32, fields } as const;

describe('a register', () => {
  it('has all its digits, and the flags that are set', () => {
    expect(valueText({ name: 'TCTL', value: register })).toBe('0xabcd1ff2  EN');
    expect(valueText({ name: 'TCTL', value: { ...register, value: 5n } })).toBe('0x00000005');
  });

  it('is told field by field', () => {
    expect(fields.map((field) => fieldText(field, register.value))).toEqual([
      '1',
      '0xff',
      '100',
      '0xabcd0000',
    ]);
    // A choice that has no name for its value is a number.
    expect(fieldText(fields[2], 0x3000n)).toBe('0x3');
    expect(fieldsText({ name: 'TCTL', value: register }).split('\n')).toHaveLength(fields.length);
  });
});

describe('other values', () => {
  it.each([
    [{ kind: 'number', value: 12n, unit: 'bytes' }, '12 bytes (0xc)'],
    [{ kind: 'number', value: 3n }, '3'],
    [{ kind: 'address', value: 0x1000n }, '0x1000'],
    [{ kind: 'text', value: 'none' }, 'none'],
    [{ kind: 'flag', value: false }, 'no'],
  ] as const)('%s is %s', (value, text) => {
    expect(valueText({ name: 'x', value })).toBe(text);
  });

  it('are empty for a group', () => {
    expect(valueText({ name: 'x', children: [] })).toBe('');
  });
});

describe('a node that comes over the protocol', () => {
  it('has numbers of 64 bits as hexadecimal text, and texts as they are', () => {
    const child = { name: '0x1', value: { kind: 'text', value: '0x10' } };
    const node = {
      name: 'a',
      value: { kind: 'register', value: '0xffffffffffffffff', bits: 64 },
      children: [child],
    };
    expect(revived(node)).toEqual({
      name: 'a',
      value: { kind: 'register', value: 0xffffffffffffffffn, bits: 64 },
      children: [child],
    });
    expect(revived(undefined)).toBeUndefined();
  });
});

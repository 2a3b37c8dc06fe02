/** Values of the machine's inside as text. Knows no editor. */
import type { StateNode } from '../machine/inspect';
import type { BitField } from '../trace/vocabulary/kind-row';

/** One field of a register's value. */
export function fieldText({ low, high, format, names }: BitField, value: bigint): string {
  const bits = (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
  if (format === 'flag') return bits === 1n ? '1' : '0';
  if (format === 'pointer') return `0x${(bits << BigInt(low)).toString(16)}`;
  return names?.[Number(bits)] ?? `0x${bits.toString(16)}`;
}

/** A value in a few words; of a register with flags, those that are set stand behind it. Empty: a group. */
export function valueText({ value }: StateNode): string {
  if (!value) return '';
  switch (value.kind) {
    case 'register': {
      const digits = Math.ceil(value.bits / 4);
      const set = (value.fields ?? []).filter(
        ({ format, low }) => format === 'flag' && ((value.value >> BigInt(low)) & 1n) !== 0n,
      );
      const flags = set.length > 0 ? `  ${set.map(({ name }) => name).join(' ')}` : '';
      return `0x${value.value.toString(16).padStart(digits, '0')}${flags}`;
    }
    case 'number': {
      const unit = value.unit === undefined ? '' : ` ${value.unit}`;
      return `${value.value}${unit}${value.value > 9n ? ` (0x${value.value.toString(16)})` : ''}`;
    }
    case 'address':
      return `0x${value.value.toString(16)}`;
    case 'text':
      return value.value;
    case 'flag':
      return value.value ? 'yes' : 'no';
  }
}

/** All fields of a register, one in a line. */
export function fieldsText({ value }: StateNode): string {
  if (value?.kind !== 'register') return '';
  return (value.fields ?? []).map((field) => `${field.name}: ${fieldText(field, value.value)}`).join('\n');
}

/** A node as it crosses the protocol, whose values are hexadecimal text where they are numbers. */
export function revived(node: unknown): StateNode | undefined {
  return node === undefined ? undefined : (JSON.parse(JSON.stringify(node), reviveValue) as StateNode);
}

const NUMERIC: ReadonlySet<unknown> = new Set(['register', 'number', 'address']);

function reviveValue(_key: string, part: unknown): unknown {
  if (typeof part !== 'object' || part === null || !('kind' in part) || !('value' in part)) return part;
  const { kind, value } = part;
  return NUMERIC.has(kind) && typeof value === 'string' ? { ...part, value: BigInt(value) } : part;
}

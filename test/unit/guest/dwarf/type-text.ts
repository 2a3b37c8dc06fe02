/** Types as texts that can be compared with those that dump-symbols.py makes of what gdb reads. */
import type { DebugType } from '../../../../src/guest/dwarf/model';

/** A type without what it is made of, where C gives that a name. */
export function shortText(type: DebugType): string {
  switch (type.kind) {
    case 'void':
      return 'void';
    case 'base':
      return `${type.name} ${type.bytes}`;
    case 'pointer':
      return `*${shortText(type.target)}`;
    case 'struct':
    case 'union':
    case 'enum':
      return `${type.kind} ${type.name ?? '?'}`;
    case 'typedef':
      return `typedef ${type.name}`;
    case 'qualified':
      return shortText(type.target);
    case 'function':
      return `function ${shortText(type.result)} (${type.parameters.map(shortText).join(', ')})`;
    case 'array':
      return fullText(type);
  }
}

/** A type with what it is made of, down to pointers. gdb tells `[0]` and `[]` alike. */
export function fullText(type: DebugType): string {
  switch (type.kind) {
    case 'qualified':
      return fullText(type.target);
    case 'typedef':
      return `${shortText(type)} = ${fullText(type.target)}`;
    case 'array':
      return `[${type.count ? type.count : ''}] of ${fullText(type.element)}`;
    case 'enum':
      return `${shortText(type)} ${type.bytes} {${type.values.map(({ name, value }) => `${name}=${value}`).join(', ')}}`;
    case 'struct':
    case 'union': {
      const members = type.members.map(
        ({ name, offset, bits, type: of }) =>
          `${name ?? ''}@${8 * offset + (bits?.first ?? 0)}:${bits?.width ?? 0} ${fullText(of)}`,
      );
      return `${shortText(type)} ${type.bytes} {${members.join('; ')}}`;
    }
    default:
      return shortText(type);
  }
}

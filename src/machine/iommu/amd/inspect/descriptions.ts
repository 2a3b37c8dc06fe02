/** What the registers of AMD's IOMMU mean (48882, 3.4), dword by dword. */
import { flag, number } from '../../../../trace/vocabulary/bit-fields';
import type { BitField } from '../../../../trace/vocabulary/kind-row';
import type { RegisterDescription, RegisterDescriptions } from '../../../registers';
import { Control, Status } from '../layout';

const address = (name: string, low: number): BitField => ({ name, low, high: 31, format: 'pointer' });
const high = number('address, bits 51 to 32', 0, 19);
const offset = (last: number, first: number): BitField[] => [number('offset in the ring', first, last)];

/** Flags of the control register that are bits of one of its dwords. */
function controlFlags(upper: boolean): BitField[] {
  return Object.entries(Control).flatMap(([name, bit]) => {
    if (name === 'GAMEn' || bit >= 32 !== upper) return [];
    return [flag(name, bit % 32)];
  });
}

/** Of both dwords of a register. */
function described(
  name: string,
  group: string,
  meaning: string,
  low: readonly BitField[] = [],
  upper: readonly BitField[] = [],
): RegisterDescriptions {
  const of = (fields: readonly BitField[]): RegisterDescription => ({
    group,
    meaning,
    ...(fields.length > 0 && { fields }),
  });
  return { [name]: of(low), [`${name}_HIGH`]: of(upper) };
}

const TABLE = 'Tables';
const COMMANDS = 'Command buffer';
const LOG = 'Guest virtual APIC log';
const GENERAL = 'General';

/** By register name. */
export const amdDescriptions: RegisterDescriptions = {
  ...described(
    'DEVICE_TABLE',
    TABLE,
    'Where the device table is, and how long (3.4.1).',
    [number('size in pages, less 1', 0, 8), address('address, bits 31 to 12', 12)],
    [high],
  ),
  ...described(
    'CONTROL',
    GENERAL,
    'What the unit does (3.4.1).',
    [...controlFlags(false), number('guest APIC mode (GAMEn)', Control.GAMEn, Control.GAMEn + 2)],
    controlFlags(true),
  ),
  ...described('EXTENDED_FEATURES', GENERAL, 'What the unit can do (3.4.1).', [
    flag('x2APIC (XTSup)', 2),
    flag('INVALIDATE_IOMMU_ALL (IASup)', 6),
    flag('guest virtual APIC (GASup)', 7),
    number('guest APIC modes (GAMSup)', 21, 23),
  ]),
  ...described(
    'STATUS',
    GENERAL,
    'What the unit is at, and what has happened (3.4.14).',
    Object.entries(Status).map(([name, mask]) => flag(name, 31 - Math.clz32(mask))),
  ),
  ...described(
    'COMMAND_BASE',
    COMMANDS,
    'Where the command buffer is (3.4.1).',
    [address('address, bits 31 to 12', 12)],
    [high, number('entries as a power of 2 (ComLen)', 24, 27)],
  ),
  ...described('COMMAND_HEAD', COMMANDS, 'The command that the unit does next (3.4.14).', offset(18, 4)),
  ...described('COMMAND_TAIL', COMMANDS, 'Where software writes the next command (3.4.14).', offset(18, 4)),
  ...described(
    'GALOG_BASE',
    LOG,
    'Where the log is (3.4.10).',
    [address('address, bits 31 to 12', 12)],
    [high, number('entries as a power of 2 (GALogLen)', 24, 27)],
  ),
  ...described(
    'GALOG_TAIL_ADDRESS',
    LOG,
    'Where the unit stores the tail, too (3.4.10).',
    [address('address, bits 31 to 3', 3)],
    [high],
  ),
  ...described(
    'GALOG_INTERRUPT',
    LOG,
    'By which interrupt the log tells of an entry.',
    [flag('logical destination', 2), number('destination, bits 23 to 0', 8, 31)],
    [number('vector', 0, 7), number('destination, bits 31 to 24', 24, 31)],
  ),
  ...described('GALOG_HEAD', LOG, 'The entry that software reads next (3.4.14).', offset(18, 3)),
  ...described('GALOG_TAIL', LOG, 'Where the unit writes the next entry (3.4.14).', offset(18, 3)),
};

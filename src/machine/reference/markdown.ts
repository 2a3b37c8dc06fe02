/** The documentation of all registers as Markdown, for a reader without a machine at hand. */
import type { BitField } from '../../trace/vocabulary/kind-row';
import {
  describedAs,
  type RegisterDescription,
  type RegisterDescriptions,
  type RegisterPlace,
} from '../registers';
import { hex } from '../state-nodes';
import { deviceReferences, entryReferences, type DeviceReference, type EntriesReference } from './sections';

/** Characters that would end a cell or begin markup. */
const cell = (text: string): string => text.replace(/[|<>*_`\\]/g, (each) => `\\${each}`);

function bitsOf({ low, high }: BitField): string {
  return low === high ? String(low) : `${high}:${low}`;
}

function fieldText(field: BitField): string {
  const values = (field.names ?? []).map((name, value) => `${value} ${name}`);
  const meanings = values.length > 0 ? ` (${values.join(', ')})` : '';
  return cell(`${bitsOf(field)}: ${field.name}${meanings}`);
}

interface Row {
  readonly name: string;
  readonly place: string;
  readonly meaning: string;
  readonly fields: readonly BitField[];
}

function table(rows: readonly Row[]): string[] {
  const lines = rows.map(({ name, place, meaning, fields }) => {
    const cells = [cell(name), place, cell(meaning), fields.map(fieldText).join('<br>')];
    return `| ${cells.join(' | ')} |`;
  });
  return ['| Register | Offset | Meaning | Bits |', '| --- | --- | --- | --- |', ...lines];
}

/** Registers that share a description, or have none and names that differ in their numbers alone, are many of a kind. */
function kindOf(descriptions: RegisterDescriptions, name: string): RegisterDescription | string {
  const description = describedAs(descriptions, name);
  return description.meaning === undefined ? name.replace(/\d+/g, '#') : description;
}

/** The registers of a device, kind by kind, in the order of the first of each. */
function kinds({ registers, descriptions }: DeviceReference): RegisterPlace[][] {
  const found = new Map<RegisterDescription | string, RegisterPlace[]>();
  for (const place of registers) {
    const kind = kindOf(descriptions, place[0]);
    const alike = found.get(kind);
    if (alike) alike.push(place);
    else found.set(kind, [place]);
  }
  return [...found.values()];
}

/** The first and the last of some registers. */
function span(places: readonly RegisterPlace[]): { name: string; place: string } {
  const [[name, offset]] = places;
  const [lastName, lastOffset] = places[places.length - 1];
  if (places.length === 1) return { name, place: hex(offset) };
  return { name: `${name} to ${lastName}`, place: `${hex(offset)} to ${hex(lastOffset)}` };
}

function deviceSection(device: DeviceReference): string[] {
  const { title, manual, where, descriptions } = device;
  const groups = new Map<string, Row[]>();
  const others: string[] = [];
  for (const places of kinds(device)) {
    const [[first, offset]] = places;
    const { name, place } = span(places);
    const { group = '', meaning, fields = [] } = describedAs(descriptions, first);
    const alike = places.length > 1 ? ` and ${places.length - 1} alike` : '';
    if (meaning === undefined) others.push(`${cell(first)}${alike} (${hex(offset)})`);
    else groups.set(group, [...(groups.get(group) ?? []), { name, place, meaning, fields }]);
  }
  const lines = [
    `## ${title}`,
    '',
    `Sections are those of: ${cell(manual)}. Offsets count from ${where}.`,
    '',
  ];
  for (const [group, rows] of groups)
    lines.push(...(group === '' ? [] : [`### ${group}`, '']), ...table(rows), '');
  if (others.length > 0) lines.push(`Further registers: ${others.join(', ')}.`, '');
  return lines;
}

function entriesSection({ title, manual, entries }: EntriesReference): string[] {
  const rows = entries.map(({ name, offset, meaning = '', fields }) => ({
    name,
    place: offset === undefined ? '' : hex(offset),
    meaning,
    fields,
  }));
  return [`## ${title}`, '', `Sections are those of: ${cell(manual)}.`, '', ...table(rows), ''];
}

/** The whole page. */
export function registerReference(): string {
  return [
    '# Registers',
    '',
    'What the registers of the simulated devices are called and what their bits mean: the same tables that the details of an event',
    "and the view of a machine's inside read. This page is generated; `node scripts/build-reference.mjs` writes it anew.",
    '',
    ...deviceReferences.flatMap(deviceSection),
    ...entryReferences.flatMap(entriesSection),
  ].join('\n');
}

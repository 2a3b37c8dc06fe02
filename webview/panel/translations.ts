/** What a domain of an IOMMU translates at the time of the selected event: from a device's address to host-physical memory. */
import type { DomainMappings, Mapping } from '../../src/protocol/mappings';
import type { Track } from '../../src/trace/model';
import type { Explorer } from '../app/explorer';
import { Latest } from '../host/latest';
import { formatBytes, formatCount, formatTime } from '../time/format';
import { spanOf } from '../time/window';
import { h } from '../ui/dom';
import { dataGrid, dropdown, link, textField } from '../ui/toolkit';

interface Question {
  track: number;
  time: number;
  /** -1: all. */
  address: number;
}

const COLUMNS = '118px 82px 118px 118px 96px 62px';
const HEADINGS = ['Device address', 'Size', 'Guest-physical', 'Host-physical', 'Access', 'Mapped'];

/** Tracks of domains, as far as the trace has them. */
function domainsOf(tracks: readonly Track[]): Track[] {
  return tracks.filter(({ type }) => type === 'domain');
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** An address as a reader types it: hexadecimal with or without 0x; -1 when it is none. */
export function typedAddress(text: string): number {
  const digits = /^(?:0x)?([0-9a-f]{1,13})$/i.exec(text.trim())?.[1];
  return digits === undefined ? -1 : Number.parseInt(digits, 16);
}

/** Builds the translations view. */
export function translationsView(explorer: Explorer): HTMLElement {
  const { model, host } = explorer;
  let track = -1;
  let address = '';
  const choice = h('span', {});
  const about = h('span', { class: 'muted number', attrs: { 'aria-live': 'polite' } });
  const field = textField('Device address', '0x1000', (text) => {
    address = text;
    ask();
  });
  const table = h('div', { class: 'translations-table' });
  const element = h(
    'div',
    { class: 'view translations' },
    h('div', { class: 'statistics-bar' }, choice, field.element, about),
    table,
  );

  const latest = new Latest<Question, DomainMappings>(
    ({ track: domain, time, address: of }) => host.call('mappings', domain, time, of),
    (answer) => draw(answer),
    (error) => {
      about.textContent = error instanceof Error ? error.message : String(error);
    },
  );
  const timeShown = (): number => model.details.value?.start ?? Math.floor(model.window.value.to);
  const ask = (): void => {
    if (model.tab.value !== 'translations' || track < 0) return;
    const typed = typedAddress(address);
    if (address.trim() !== '' && typed < 0) {
      about.textContent = `“${address.trim()}” is no address: type hexadecimal digits.`;
      return;
    }
    latest.request({ track, time: timeShown(), address: typed });
  };
  const draw = ({ total, bytes, mappings }: DomainMappings): void => {
    const when = formatTime(timeShown(), model.frequencyHz, spanOf(model.window.value) / 1000);
    const rest = total > mappings.length ? `, the first ${formatCount(mappings.length)} of them` : '';
    about.textContent =
      total === 0
        ? `Nothing is mapped${address.trim() === '' ? '' : ' there'} at ${when}: a device's access would be a fault.`
        : `${formatCount(total)} ${total === 1 ? 'mapping' : 'mappings'} of ${formatBytes(bytes)} at ${when}${rest}`;
    table.replaceChildren(
      ...(total === 0
        ? []
        : [dataGrid('Mappings of the domain', COLUMNS, [HEADINGS, ...mappings.map(cells)])]),
    );
  };
  const cells = (mapping: Mapping): (string | Node)[] => [
    hex(mapping.iova),
    formatBytes(mapping.bytes),
    mapping.guestPhysical === undefined ? '–' : hex(mapping.guestPhysical),
    hex(mapping.hostPhysical),
    `${mapping.readable ? 'read' : ''}${mapping.readable && mapping.writable ? ', ' : ''}${mapping.writable ? 'write' : ''}`,
    link('show', () => void explorer.reveal(mapping.row)),
  ];

  let known = '';
  const offer = (): void => {
    const domains = domainsOf(model.meta.value?.tracks ?? []);
    const key = domains.map(({ id }) => id).join();
    if (key === known) return;
    known = key;
    if (!domains.some(({ id }) => id === track)) track = domains[0]?.id ?? -1;
    const options = domains.map(({ id, name, group }): [string, string] => [String(id), `${group}: ${name}`]);
    const chosen = (value: string): void => {
      track = Number(value);
      ask();
    };
    choice.replaceChildren(...(domains.length === 0 ? [] : [dropdown('Domain', options, chosen)]));
    element.classList.toggle('without-domains', domains.length === 0);
    if (domains.length === 0)
      table.replaceChildren(
        h('p', {
          class: 'empty-note',
          text: 'No device of this run stands behind an IOMMU. Run a scenario with an assigned device and "iommu": { "model": "vt-d" } to see here which addresses lead where.',
        }),
      );
    ask();
  };
  model.meta.subscribe(offer);
  model.tab.subscribe(ask);
  model.details.subscribe(ask);
  model.window.subscribe(() => model.selection.value < 0 && ask());
  offer();
  return element;
}

/** One sentence beside the pointer: what is known at once, then what the host says of the event. */
import type { HostClient } from '../host/client';
import { Latest } from '../host/latest';
import { eventLabel, kindTitle } from '../lanes/labels';
import { kindRow } from '../../src/trace/vocabulary/events';
import { modeNames, modeRoles } from '../../src/trace/vocabulary/modes';
import type { EventDetails } from '../../src/protocol/details';
import type { Model } from '../app/model';
import { formatCount, formatDuration, formatShare, formatTime } from '../time/format';
import { h } from '../ui/dom';
import { rowOfHit, type Hit } from './hit';

/** What the events of a lane are called, one and many. */
const nouns: Record<string, [string, string]> = {
  exits: ['exit', 'exits'],
  registers: ['register access', 'register accesses'],
  DMA: ['DMA transfer', 'DMA transfers'],
  interrupts: ['interrupt event', 'interrupt events'],
  packets: ['packet event', 'packet events'],
  translations: ['translation', 'translations'],
};
/** Milliseconds that the pointer rests before the host is asked. */
const REST = 60;

export class Tooltip {
  readonly element = h('div', { class: 'tooltip', attrs: { role: 'tooltip' } });
  readonly #head = h('div', { class: 'tooltip-head' });
  readonly #body = h('div', { class: 'tooltip-body' });
  readonly #known = new Map<number, EventDetails>();
  readonly #latest: Latest<number, EventDetails>;
  #row = -1;
  /** The event stands for others that lie under the pointer too. */
  #example = false;
  #timer = 0;

  constructor(
    private readonly model: Model,
    host: HostClient,
  ) {
    this.element.append(this.#head, this.#body);
    this.element.hidden = true;
    this.#latest = new Latest(
      (row) => host.call('describe', row),
      (details) => {
        if (this.#known.size > 500) this.#known.clear();
        this.#known.set(details.row, details);
        if (details.row === this.#row) this.#describe(details);
      },
      () => undefined,
    );
  }

  /** Shows what is under the pointer; `x`, `y` in pixels of the parent of given size. */
  show(hit: Hit, x: number, y: number, width: number, height: number): void {
    const row = rowOfHit(hit);
    this.element.hidden = false;
    if (row !== this.#row || hit.type === 'bin') {
      this.#row = row;
      this.#example = hit.type === 'bin' && hit.count > 1;
      this.#head.textContent = this.#atOnce(hit);
      const known = this.#known.get(row);
      this.#body.textContent = '';
      if (known && !this.model.live) this.#describe(known);
      else {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#latest.request(row), REST);
      }
    }
    const { offsetWidth, offsetHeight } = this.element;
    const left = x + 16 + offsetWidth > width ? Math.max(4, x - offsetWidth - 12) : x + 16;
    const top = y + 20 + offsetHeight > height ? Math.max(4, y - offsetHeight - 12) : y + 20;
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  hide(): void {
    clearTimeout(this.#timer);
    this.#row = -1;
    this.element.hidden = true;
  }

  #describe(details: EventDetails): void {
    this.#body.textContent = `${this.#example ? 'One of them: ' : ''}${details.sentence}`;
  }

  #atOnce(hit: Hit): string {
    const hz = this.model.frequencyHz;
    if (hit.type === 'bin') return this.#crowd(hit);
    const { kind, a, start, duration, trackId } = hit.event;
    const { shape } = kindRow(kind);
    const label = kindRow(kind).a
      ? ` ${eventLabel(kind, a, this.model.track(trackId), (id) => this.model.track(id))}`
      : '';
    const title = kindRow(kind).group === 'register' ? `${kindTitle(kind)}${label}` : kindTitle(kind);
    const window = this.model.window.value;
    const at = formatTime(start, hz, Math.max(1, (window.to - window.from) / 1000));
    return shape === 'span' ? `${title}, ${formatDuration(duration, hz)}, at ${at}` : `${title} at ${at}`;
  }

  /** What a pixel of a dense lane holds. */
  #crowd(hit: Extract<Hit, { type: 'bin' }>): string {
    const pixel = formatDuration(hit.to - hit.from, this.model.frequencyHz);
    const { shares, count } = hit;
    if (shares) {
      const tracks = Math.max(1, hit.line.lane.trackIds.length);
      const names = modeNames((this.model.meta.value?.counts ?? []).map(([, kind]) => kind));
      const spent = modeRoles
        .map((role, mode) => ({ role, share: (shares[mode] ?? 0) / tracks }))
        .filter(({ share }) => share >= 0.001)
        .sort((x, y) => y.share - x.share)
        .map(({ role, share }) => `${names[role]} ${formatShare(share, 1)}`);
      return `${spent.join(', ')} of these ${pixel}`;
    }
    if (count === 0) return `${kindTitle(hit.kind)} goes on here`;
    const [one, many] = nouns[hit.line.lane.part] ?? ['event', 'events'];
    if (count < 1.5) return `1 ${one} in these ${pixel}`;
    const fault = hit.fault ? ', a fault among them' : '';
    return `${formatCount(count)} ${many} here${fault}; zoom in to tell them apart`;
  }
}

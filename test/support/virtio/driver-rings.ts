/**
 * The driver's side of virtqueues, as sections 2.7.13, 2.7.14, 2.8.21 and 2.8.22 of the Virtual I/O Device specification have it:
 * a model for tests of devices, which knows nothing of how the device does it. Whether to notify is decided by the specification's
 * own words, entry by entry.
 */

/** A contiguous part of guest memory. */
export interface Part {
  address: number;
  length: number;
}

/** What is made available. */
export interface DriverBuffer {
  readable: readonly Part[];
  writable: readonly Part[];
  /** How it is described: by a chain, by an indirect table, or (split) by a chain that ends in one. */
  as?: 'chain' | 'table' | 'mixed';
}

/** A buffer that has come back. */
export interface UsedBuffer {
  token: number;
  written: number;
}

export interface DriverOptions {
  memory: Uint8Array;
  /** Where the rings begin: a multiple of 4096. */
  base: number;
  size: number;
  eventIdx?: boolean;
  inOrder?: boolean;
  /** Of a legacy device: the used ring begins on a page of its own (2.7.2). */
  legacy?: boolean;
}

/** The most descriptors of an indirect table. */
export const TABLE_ENTRIES = 16;

const DESCRIPTOR = 16;
const Flag = { NEXT: 1, WRITE: 2, INDIRECT: 4, AVAIL: 1 << 7, USED: 1 << 15 } as const;
const PAGE = 4096;

interface Outstanding {
  token: number;
  /** Split: its head. Packed: its buffer ID. */
  id: number;
  /** Descriptors in the ring. */
  descriptors: number[];
  capacity: number;
}

interface Element extends Part {
  flags: number;
}

/** What every driver has: plain data, which can be copied. */
interface CommonState {
  tokens: number;
  /** With the device, in the order in which they were added. */
  outstanding: Outstanding[];
  /** Buffers of a batch that one used entry has shown. */
  ready: UsedBuffer[];
}

/** One virtqueue as its driver sees it. */
export abstract class DriverRing<S extends CommonState = CommonState> {
  readonly layout: { size: number; descriptors: number; driver: number; device: number };
  /** The first byte behind everything that it uses. */
  readonly end: number;
  protected readonly view: DataView;
  protected readonly tables: number;
  abstract state: S;

  constructor(protected readonly options: DriverOptions) {
    const { base, size, memory } = options;
    this.view = new DataView(memory.buffer, memory.byteOffset, memory.length);
    const { driver, device, end } = this.areas();
    this.layout = { size, descriptors: base, driver, device };
    this.tables = alignUp(end, DESCRIPTOR);
    this.end = this.tables + size * TABLE_ENTRIES * DESCRIPTOR;
  }

  /** Adds a buffer, which the device does not see before `publish`. Its token; undefined when there is no room. */
  abstract add(buffer: DriverBuffer): number | undefined;
  abstract publish(): void;
  /** Whether what was published since the last such question has to be notified. */
  abstract needsKick(): boolean;
  /** What a notification tells with VIRTIO_F_NOTIFICATION_DATA, but for the queue's index (2.9). */
  abstract get notificationData(): number;
  /** The next used buffer. */
  abstract reap(): UsedBuffer | undefined;
  abstract disableNotifications(): void;
  /** Asks for a notification of the next used buffer. It has to be looked for one once more afterwards. */
  abstract enableNotifications(): void;

  get outstanding(): number {
    return this.state.outstanding.length;
  }

  protected abstract areas(): { driver: number; device: number; end: number };

  protected elementsOf({ readable, writable }: DriverBuffer): Element[] {
    return [
      ...readable.map((part) => ({ ...part, flags: 0 })),
      ...writable.map((part) => ({ ...part, flags: Flag.WRITE })),
    ];
  }

  protected putDescriptor(at: number, { address, length }: Part): void {
    this.view.setBigUint64(at, BigInt(address), true);
    this.view.setUint32(at + 8, length, true);
  }

  protected table(id: number): number {
    return this.tables + id * TABLE_ENTRIES * DESCRIPTOR;
  }

  /** What one used entry shows: without VIRTIO_F_IN_ORDER its buffer, otherwise all up to its buffer (2.7.9, 2.8.7). */
  protected come(id: number, written: number): Outstanding[] {
    const { outstanding, ready } = this.state;
    const at = outstanding.findIndex((each) => each.id === id);
    if (at < 0) throw new Error(`used entry of ${id}, which is not with the device`);
    const shown = this.options.inOrder ? outstanding.splice(0, at + 1) : outstanding.splice(at, 1);
    shown.forEach(({ token, capacity }, i) => {
      ready.push({ token, written: i < shown.length - 1 ? capacity : written });
    });
    return shown;
  }
}

interface SplitState extends CommonState {
  free: number[];
  /** Heads that are added and not published. */
  added: number[];
  index: number;
  /** `idx` values before each entry that was published since the last question. */
  unasked: number[];
  lastUsed: number;
}

/** The driver of a split virtqueue. */
export class SplitDriver extends DriverRing<SplitState> {
  state: SplitState;

  constructor(options: DriverOptions) {
    super(options);
    const free = Array.from({ length: options.size }, (_, i) => i);
    this.state = {
      tokens: 0,
      outstanding: [],
      ready: [],
      free,
      added: [],
      index: 0,
      unasked: [],
      lastUsed: 0,
    };
  }

  /** Both indices begin here, instead of at 0. */
  startAt(index: number): void {
    this.state.index = this.state.lastUsed = index;
    this.view.setUint16(this.layout.driver + 2, index, true);
    this.view.setUint16(this.layout.device + 2, index, true);
  }

  override add(buffer: DriverBuffer): number | undefined {
    const { state } = this;
    const elements = this.elementsOf(buffer);
    const direct = directElements(buffer, elements.length);
    const needed = direct < elements.length ? direct + 1 : direct;
    if (state.free.length < needed) return undefined;
    const descriptors = state.free.splice(0, needed);
    descriptors.forEach((index, i) => {
      const at = this.layout.descriptors + index * DESCRIPTOR;
      const next = i + 1 < needed ? descriptors[i + 1] : undefined;
      const element = i < direct ? elements[i] : this.putTable(descriptors[0], elements.slice(direct));
      this.putDescriptor(at, element);
      this.putLink(at, element.flags, next);
    });
    const token = state.tokens++;
    const capacity = sum(buffer.writable);
    state.outstanding.push({ token, id: descriptors[0], descriptors, capacity });
    state.added.push(descriptors[0]);
    return token;
  }

  override publish(): void {
    const { state, view, layout } = this;
    const { driver, size } = layout;
    for (const head of state.added.splice(0)) {
      view.setUint16(driver + 4 + 2 * (state.index % size), head, true);
      state.unasked.push(state.index);
      state.index = (state.index + 1) & 0xffff;
    }
    view.setUint16(driver + 2, state.index, true);
  }

  override needsKick(): boolean {
    const { view, layout, options } = this;
    const { device, size } = layout;
    const published = this.state.unasked.splice(0);
    if (!options.eventIdx) return published.length > 0 && view.getUint16(device, true) === 0;
    const availEvent = view.getUint16(device + 4 + 8 * size, true);
    return published.includes(availEvent);
  }

  override get notificationData(): number {
    return this.state.index;
  }

  override reap(): UsedBuffer | undefined {
    const { state, view, layout, options } = this;
    if (state.ready.length > 0) return state.ready.shift();
    const { device, size } = layout;
    if (view.getUint16(device + 2, true) === state.lastUsed) return undefined;
    const at = device + 4 + 8 * (state.lastUsed % size);
    const shown = this.come(view.getUint32(at, true), view.getUint32(at + 4, true));
    state.lastUsed = (state.lastUsed + shown.length) & 0xffff;
    for (const { descriptors } of shown) {
      // In order they are used in the table's order; otherwise the last one freed is the first to be used again.
      if (options.inOrder) state.free.push(...descriptors);
      else state.free.unshift(...descriptors.reverse());
    }
    return state.ready.shift();
  }

  override disableNotifications(): void {
    // With an index the driver is past it, and hears nothing more until it names another one.
    if (!this.options.eventIdx) this.view.setUint16(this.layout.driver, 1, true);
  }

  override enableNotifications(): void {
    const { driver, size } = this.layout;
    if (!this.options.eventIdx) this.view.setUint16(driver, 0, true);
    else this.view.setUint16(driver + 4 + 2 * size, this.state.lastUsed, true);
  }

  protected override areas(): { driver: number; device: number; end: number } {
    const { base, size, legacy } = this.options;
    const driver = base + DESCRIPTOR * size;
    const device = alignUp(driver + 6 + 2 * size, legacy ? PAGE : 4);
    return { driver, device, end: device + 6 + 8 * size };
  }

  private putTable(id: number, elements: readonly Element[]): Element {
    const address = this.table(id);
    elements.forEach((element, i) => {
      const at = address + i * DESCRIPTOR;
      this.putDescriptor(at, element);
      this.putLink(at, element.flags, i + 1 < elements.length ? i + 1 : undefined);
    });
    return { address, length: elements.length * DESCRIPTOR, flags: Flag.INDIRECT };
  }

  private putLink(at: number, flags: number, next: number | undefined): void {
    this.view.setUint16(at + 12, next === undefined ? flags : flags | Flag.NEXT, true);
    this.view.setUint16(at + 14, next ?? 0, true);
  }
}

interface Place {
  offset: number;
  wrap: boolean;
}

interface PackedState extends CommonState {
  freeIds: number[];
  /** Descriptors that are free. */
  room: number;
  next: Place;
  used: Place;
  /** Flags that make everything available that was added: of the first descriptor, written last. */
  held?: { at: number; flags: number };
  added: Place[];
  unasked: Place[];
}

/** The driver of a packed virtqueue. */
export class PackedDriver extends DriverRing<PackedState> {
  state: PackedState;

  constructor(options: DriverOptions) {
    super(options);
    this.state = {
      tokens: 0,
      outstanding: [],
      ready: [],
      freeIds: Array.from({ length: options.size }, (_, i) => i).reverse(),
      room: options.size,
      next: { offset: 0, wrap: true },
      used: { offset: 0, wrap: true },
      added: [],
      unasked: [],
    };
  }

  override add(buffer: DriverBuffer): number | undefined {
    const { state, view, layout } = this;
    const [id] = state.freeIds;
    const elements = this.elementsOf(buffer);
    const inTable = (buffer.as ?? 'chain') !== 'chain';
    const list = inTable ? [this.putTable(id, elements)] : elements;
    if (id === undefined || state.room < list.length) return undefined;
    state.freeIds.shift();
    state.room -= list.length;
    const descriptors = list.map((element, i) => {
      const { offset } = state.next;
      const at = layout.descriptors + offset * DESCRIPTOR;
      this.putDescriptor(at, element);
      view.setUint16(at + 12, i === list.length - 1 ? id : 0, true);
      const lap = state.next.wrap ? Flag.AVAIL : Flag.USED;
      const flags = element.flags | lap | (i < list.length - 1 ? Flag.NEXT : 0);
      if (state.held) view.setUint16(at + 14, flags, true);
      else state.held = { at: at + 14, flags };
      state.added.push({ ...state.next });
      this.advance(state.next, 1);
      return offset;
    });
    const token = state.tokens++;
    state.outstanding.push({ token, id, descriptors, capacity: sum(buffer.writable) });
    return token;
  }

  override publish(): void {
    const { state, view } = this;
    if (!state.held) return;
    view.setUint16(state.held.at, state.held.flags, true);
    delete state.held;
    state.unasked.push(...state.added.splice(0));
  }

  override needsKick(): boolean {
    const { view, layout, state } = this;
    const published = state.unasked.splice(0);
    const event = view.getUint16(layout.device, true);
    const flags = view.getUint16(layout.device + 2, true) & 3;
    if (flags === 2) {
      return published.some(({ offset, wrap }) => offset === (event & 0x7fff) && wrap === event >= 0x8000);
    }
    return published.length > 0 && flags !== 1;
  }

  override get notificationData(): number {
    const { offset, wrap } = this.state.next;
    return offset | (wrap ? 0x8000 : 0);
  }

  override reap(): UsedBuffer | undefined {
    const { state, view, layout } = this;
    if (state.ready.length > 0) return state.ready.shift();
    const at = layout.descriptors + state.used.offset * DESCRIPTOR;
    const flags = view.getUint16(at + 14, true);
    const { wrap } = state.used;
    if (((flags & Flag.USED) !== 0) !== wrap || ((flags & Flag.AVAIL) !== 0) !== wrap) return undefined;
    // The length means something only if something was written (2.8.6).
    const written = (flags & Flag.WRITE) !== 0 ? view.getUint32(at + 8, true) : 0;
    for (const { id, descriptors } of this.come(view.getUint16(at + 12, true), written)) {
      state.freeIds.push(id);
      state.room += descriptors.length;
      this.advance(state.used, descriptors.length);
    }
    return state.ready.shift();
  }

  override disableNotifications(): void {
    this.view.setUint16(this.layout.driver + 2, 1, true);
  }

  override enableNotifications(): void {
    const { view, layout, options, state } = this;
    const { offset, wrap } = state.used;
    if (options.eventIdx) view.setUint16(layout.driver, offset | (wrap ? 0x8000 : 0), true);
    view.setUint16(layout.driver + 2, options.eventIdx ? 2 : 0, true);
  }

  protected override areas(): { driver: number; device: number; end: number } {
    const { base, size } = this.options;
    const driver = base + DESCRIPTOR * size;
    return { driver, device: driver + 4, end: driver + 8 };
  }

  private advance(place: Place, count: number): void {
    place.offset += count;
    if (place.offset < this.layout.size) return;
    place.offset -= this.layout.size;
    place.wrap = !place.wrap;
  }

  private putTable(id: number, elements: readonly Element[]): Element {
    const address = this.table(id);
    elements.forEach((element, i) => {
      const at = address + i * DESCRIPTOR;
      this.putDescriptor(at, element);
      this.view.setUint16(at + 14, element.flags, true);
    });
    return { address, length: elements.length * DESCRIPTOR, flags: Flag.INDIRECT };
  }
}

/** Elements that stand in the ring's own descriptors. */
function directElements({ as = 'chain' }: DriverBuffer, count: number): number {
  if (as === 'table') return 0;
  return as === 'chain' ? count : Math.floor(count / 2);
}

function alignUp(address: number, align: number): number {
  return Math.ceil(address / align) * align;
}

function sum(parts: readonly Part[]): number {
  return parts.reduce((total, { length }) => total + length, 0);
}

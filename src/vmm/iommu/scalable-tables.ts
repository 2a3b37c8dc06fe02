/**
 * Root, context and PASID tables of scalable mode as the host's kernel writes them (VT-d specification, 9.2 and 9.4 to 9.6): each
 * function has a PASID table of its own, in which requests without PASID have the first entry.
 */
import type { RequesterId } from '../../machine/bus';
import type { NestedStage } from '../host-bus/dma-mapper';
import type { TablePages } from './table-pages';

const ROOT_BYTES = 16;
const CONTEXT_BYTES = 32;
const PRESENT = 1;
const ADDRESS_UNIT = 4096;
/** TTM of the root-table address register. */
const SCALABLE = 1 << 10;
/** The second half of a root entry is for devices 16 to 31. */
const UPPER_HALF = 0x80;
/** AW by levels: 1 of three, 2 of four, 3 of five. */
const WIDTH_OF_TWO_LEVELS = 2;
const WIDTH_SHIFT = 2;
/** PGTT: what requests are translated by. */
const Granted = { second: 2 << 6, nested: 3 << 6 } as const;
/** FSPM: 0 of four levels, 1 of five. */
const FIVE_LEVELS = 1 << 2;
/** Offsets of a PASID-table entry: the domain, the first stage. */
const Entry = { domain: 8, first: 16 } as const;

/** The second stage of a domain. */
export interface SecondStage {
  readonly domain: number;
  /** Host-physical address of the topmost table. */
  readonly root: number;
}

/** The tables. */
export class ScalableTables {
  /**
   * @param table host-physical address of the root table
   * @param levels of second-stage tables
   */
  constructor(
    private readonly pages: TablePages,
    private readonly table: number,
    private readonly levels: number,
  ) {}

  /** Value of the root-table address register. */
  get address(): number {
    return this.table + SCALABLE;
  }

  /**
   * Has a function's requests translated by the second stage of a domain.
   * @throws RangeError when no page is left for a table
   */
  set(requester: RequesterId, domain: number, tables: number): void {
    this.write(requester, { domain, root: tables }, undefined);
  }

  /** Has them translated by a first stage in it, whose addresses are those of the second; or refused. @throws likewise */
  nest(requester: RequesterId, second: SecondStage, first: NestedStage | 'refused'): void {
    if (first === 'refused') this.pages.writeField(this.entryOf(requester), 0);
    else this.write(requester, second, first);
  }

  private write(requester: RequesterId, { domain, root }: SecondStage, first: NestedStage | undefined): void {
    const place = this.entryOf(requester);
    const granted = first ? Granted.nested : Granted.second;
    const mode = first?.levels === 5 ? FIVE_LEVELS : 0;
    this.pages.writeField(place + Entry.domain, domain);
    this.pages.writeField(place + Entry.first, first ? first.root + mode : 0);
    const width = (this.levels - WIDTH_OF_TWO_LEVELS) << WIDTH_SHIFT;
    this.pages.writeField(place, root + granted + width + PRESENT);
  }

  /** The PASID-table entry of a function's requests. */
  private entryOf(requester: RequesterId): number {
    const function_ = requester & 0xff;
    const half = function_ >= UPPER_HALF ? ROOT_BYTES / 2 : 0;
    const root = this.table + (requester >> 8) * ROOT_BYTES + half;
    const context = this.below(root) + (function_ % UPPER_HALF) * CONTEXT_BYTES;
    return this.below(this.below(context));
  }

  /** The table that an entry leads to, which is made where it is missing. */
  private below(entry: number): number {
    const known = this.pages.read(entry);
    if (known % 2 === PRESENT) return known - (known % ADDRESS_UNIT);
    const made = this.pages.take();
    if (made === undefined) throw new RangeError('no page is left for the tables of a function');
    this.pages.writeField(entry, made + PRESENT);
    return made;
  }
}

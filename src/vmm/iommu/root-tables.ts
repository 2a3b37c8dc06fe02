/** Root and context tables of legacy mode as the host's kernel writes them (VT-d specification, 9.1 and 9.3). */
import type { RequesterId } from '../../machine/bus';
import type { TablePages } from './table-pages';

const ENTRY_BYTES = 16;
const PRESENT = 1;
/** AW by levels: 1 of three, 2 of four, 3 of five. */
const WIDTH_OF_TWO_LEVELS = 2;
const DOMAIN_SHIFT = 8;
const ADDRESS_UNIT = 4096;

/** The tables. */
export class RootTables {
  /**
   * @param address host-physical, of the root table
   * @param levels of second-stage tables
   */
  constructor(
    private readonly pages: TablePages,
    readonly address: number,
    private readonly levels: number,
  ) {}

  /**
   * Has a function's requests translated by the tables of a domain.
   * @throws RangeError when no page is left for a context table
   */
  set(requester: RequesterId, domain: number, tables: number): void {
    const place = this.contextTable(requester >> 8) + (requester & 0xff) * ENTRY_BYTES;
    this.pages.writeField(place + 8, this.levels - WIDTH_OF_TWO_LEVELS + domain * 2 ** DOMAIN_SHIFT);
    this.pages.writeField(place, tables + PRESENT);
  }

  private contextTable(bus: number): number {
    const entry = this.address + bus * ENTRY_BYTES;
    const known = this.pages.read(entry);
    if (known % 2 === PRESENT) return known - (known % ADDRESS_UNIT);
    const made = this.pages.take();
    if (made === undefined) throw new RangeError(`no page is left for the context table of bus ${bus}`);
    this.pages.writeField(entry, made + PRESENT);
    return made;
  }
}

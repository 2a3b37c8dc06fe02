/** A page as one stage of translation gives it. */

/** What a stage makes of an address. */
export interface StagePage {
  /** The address that comes out. */
  address: number;
  /** Level of the entry that maps the page: 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB. */
  level: number;
  read: boolean;
  write: boolean;
  /** A write has nothing to set in the tables of this stage. */
  dirty: boolean;
  /** The entry that maps the page: its address and lower word. */
  leaf: { address: number; word: number };
}

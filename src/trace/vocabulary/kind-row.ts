/** What one row of the vocabulary says of a kind of event. Views read it from here; none knows a kind or a VMM by name. */

/** Which colour an event takes everywhere: one meaning, one colour. */
export type ColourRole =
  | 'guest'
  | 'halted'
  | 'kernel'
  | 'user'
  | 'transition'
  | 'exit'
  | 'interrupt'
  | 'device'
  | 'dma'
  | 'iommu'
  | 'network'
  | 'thread'
  | 'mark'
  | 'fault';

/** What a CPU or a thread does for the time of a span, whichever VMM is there. */
export type ModeRole =
  | 'guest-kernel'
  | 'guest-user'
  | 'vmm-kernel'
  | 'transition'
  | 'vmm-user'
  /** It waits for something: an interrupt, a start-up IPI, a lock. */
  | 'asleep'
  /** A CPU without work, or a thread without a CPU. */
  | 'idle';

/** Lane family of an event; a lane shows one or more groups of one track. */
export type KindGroup =
  | 'mode'
  | 'exit'
  | 'leg'
  | 'interrupt'
  | 'register'
  | 'ring'
  | 'dma'
  | 'iommu'
  | 'virtio'
  | 'packet'
  | 'thread'
  | 'vmm'
  | 'guest'
  /** Bookkeeping of the trace itself; in no lane. */
  | 'record';

/**
 * How an argument is printed. `register` looks the offset up in the track's register names, `lock` and `reason` in its lists
 * of these; `track` is a track's id, printed as its name; `qualification` is that of an exit, nothing where it has none.
 */
export type ArgFormat =
  | 'none'
  | 'hex'
  | 'decimal'
  | 'register'
  | 'port'
  | 'vector'
  | 'bytes'
  | 'address'
  | 'msr'
  | 'pin'
  | 'reason'
  | 'lock'
  | 'track'
  | 'qualification';

/** Some bits of an argument that is a register's value or a table's entry. */
export interface BitField {
  name: string;
  /** First and last bit. */
  low: number;
  high: number;
  /** `flag`: yes or no; `pointer`: an address, of which these are the upper bits; `choice`: one of `names`. */
  format: 'flag' | 'hex' | 'pointer' | 'choice';
  names?: readonly string[];
}

export interface ArgSpec {
  name: string;
  format: ArgFormat;
  /** What its bits mean; absent: it is one number. */
  fields?: readonly BitField[];
}

/** One kind of event. */
export interface KindRow {
  id: number;
  /** As in `exit.EPT_MISCONFIG`. */
  name: string;
  group: KindGroup;
  role: ColourRole;
  shape: 'span' | 'instant';
  a?: ArgSpec;
  b?: ArgSpec;
  /** Argument whose exact total is kept beside the count (`TraceMeta.sums`), also when the kind is not recorded. */
  sum?: 'a' | 'b';
  /** What the CPU or thread of the track does meanwhile. */
  mode?: ModeRole;
  /** Who does it, where a mode's time is told: `KVM`, `QEMU`. */
  actor?: string;
  /** A word for places where few letters fit; without one, the end of the name. */
  label?: string;
  /** Of an exit: the name as the kernel prints it, without `exit.`. */
  reason?: string;
  /** Of an exit: how its qualification is told in words; `io` is that of an I/O instruction (SDM vol. 3, table 28-5). */
  qualification?: 'io';
  /** Of an exit: what the guest wanted, as in `to access I/O port {a}`. */
  purpose?: string;
  /** One sentence of meaning, for tooltips and documentation. */
  sentence: string;
  /**
   * One sentence of what happened, in which `{track}`, `{a}`, `{b}`, `{at}` (the place, with " at " before it) and `{took}`
   * stand for what the event has. Without one, an event is told by its name and arguments.
   */
  story?: string;
}

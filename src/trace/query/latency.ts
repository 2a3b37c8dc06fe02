/**
 * How long packets take, by the causes that the trace has. Three stretches of a packet's way:
 *
 * - `send`, for each `packet.tx`: from the driver's access that led to it to the row itself, at which the packet leaves the
 *   NIC. The access is the nearest cause that is a VM exit, and begins with it; where the access did not exit, it is the nearest
 *   write to a register of a device (`mmio.write`, `pio.out`) or kick (`doorbell`, `virtq.kick`).
 *   Of the packets that hang on one `virtq.kick` that is the first: the device finds the others in the queue by itself, and when
 *   the driver put them there is in no row.
 * - `receive`, for each `packet.rx`: from the end of the nearest `link.transit` among its causes, when all of it had come over
 *   the wire, to the beginning of the handler that learnt of it.
 * - `roundTrip`, for each `packet.rx` that a `packet.tx` is among the causes of, as with an echo: from the access that led to that
 *   `packet.tx`, as above, to the handler.
 *
 * The handler that learnt of a packet is the first `handler` row that it caused: up from the handler to the interrupt of the device
 * (`irq.raise`, `msi`, `virtq.interrupt`) and from there to the packet, without an exit, a handler or another packet between.
 * Where the device raised no interrupt for it alone, because one was pending or is moderated, it is the handler of the same device's
 * interrupt that ran at the time of `packet.rx`, which then learnt of it at that time, or else the next one. A packet
 * that no handler follows, as with a driver that polls, is counted in `unreported` and has no latency.
 */
import type { PlacedDistribution } from '../../protocol/difference';
import { isExit, Kind } from '../vocabulary/events';
import { RowSample } from './row-sample';
import type { TraceStore } from './store';

/** Latencies in cycles; their rows are those of the packets. */
export interface PacketLatency {
  send: PlacedDistribution;
  receive: PlacedDistribution;
  roundTrip: PlacedDistribution;
  /** Packets in guest memory that no handler learnt of. */
  unreported: number;
}

/** What a driver does to a device. */
const ACCESSES: ReadonlySet<number> = new Set([Kind.MmioWrite, Kind.PioOut, Kind.Doorbell, Kind.VirtqKick]);
const INTERRUPTS: ReadonlySet<number> = new Set([Kind.IrqRaise, Kind.Msi, Kind.VirtqInterrupt]);
/** Where the way from an interrupt up to the packet that it is for ends. */
const ELSEWHERE: ReadonlySet<number> = new Set([Kind.Handler, Kind.PacketTx, Kind.LinkTransit]);

/** Handlers of one device's interrupts, by time. */
type Handled = { start: number; end: number }[];

/** See above. */
export function packetLatency(store: TraceStore): PacketLatency {
  const sent: number[] = [];
  const received: number[] = [];
  /** By the row of a packet: when the first handler that it caused began. */
  const own = new Map<number, number>();
  const byDevice = new Map<number, Handled>();
  for (let row = 0; row < store.rows; row++) {
    const kind = store.kindOf(row);
    if (kind === Kind.PacketTx) sent.push(row);
    else if (kind === Kind.PacketRx) received.push(row);
    else if (kind === Kind.Handler) noteHandler(store, row, own, byDevice);
  }
  for (const handled of byDevice.values()) handled.sort((x, y) => x.start - y.start);
  const [send, receive, roundTrip] = [new RowSample(), new RowSample(), new RowSample()];
  const accesses = accessesOf(store, sent);
  for (const [row, from] of accesses) send.add(store.startOf(row) - from, row);
  let unreported = 0;
  for (const row of received) {
    const at = own.get(row) ?? handledAfter(byDevice.get(store.get(row).track) ?? [], store.startOf(row));
    if (at === undefined) {
      unreported += 1;
      continue;
    }
    const wire = nearest(store, row, (kind) => kind === Kind.LinkTransit);
    if (wire >= 0) receive.add(at - store.startOf(wire) - store.durationOf(wire), row);
    const origin = nearest(store, row, (kind) => kind === Kind.PacketTx);
    const from = accesses.get(origin);
    if (from !== undefined) roundTrip.add(at - from, row);
  }
  return {
    send: send.placed(),
    receive: receive.placed(),
    roundTrip: roundTrip.placed(),
    unreported,
  };
}

/** The nearest cause of a row that is of a kind; -1: there is none. */
function nearest(store: TraceStore, row: number, wanted: (kind: number) => boolean): number {
  let cause = store.causeOf(row);
  while (cause >= 0 && !wanted(store.kindOf(cause))) cause = store.causeOf(cause);
  return cause;
}

/** By the row of a sent packet: when the access began that led to it. */
function accessesOf(store: TraceStore, sent: readonly number[]): Map<number, number> {
  const kicks = new Set<number>();
  const accesses = new Map<number, number>();
  for (const row of sent) {
    const kick = nearest(store, row, (kind) => kind === Kind.VirtqKick || isExit(kind));
    if (kicks.has(kick)) continue;
    if (kick >= 0 && store.kindOf(kick) === Kind.VirtqKick) kicks.add(kick);
    const from = accessBefore(store, row);
    if (from !== undefined) accesses.set(row, from);
  }
  return accesses;
}

/** When the access began that led to a row. */
function accessBefore(store: TraceStore, row: number): number | undefined {
  const access = nearest(store, row, (kind) => isExit(kind) || ACCESSES.has(kind));
  if (access < 0) return undefined;
  // The access of a store that exits is told after its exit, and caused by it.
  const exit = isExit(store.kindOf(access))
    ? access
    : nearest(store, access, (kind) => isExit(kind) || ELSEWHERE.has(kind));
  const from = exit >= 0 && isExit(store.kindOf(exit)) ? exit : access;
  return store.startOf(from);
}

function noteHandler(
  store: TraceStore,
  handler: number,
  own: Map<number, number>,
  byDevice: Map<number, Handled>,
): void {
  // Before an exit or another handler is what led to these: no interrupt of a device, as of a timer.
  const interrupt = nearest(
    store,
    handler,
    (kind) => INTERRUPTS.has(kind) || isExit(kind) || kind === Kind.Handler,
  );
  if (interrupt < 0 || !INTERRUPTS.has(store.kindOf(interrupt))) return;
  const { track } = store.get(interrupt);
  const start = store.startOf(handler);
  const handled = byDevice.get(track) ?? [];
  handled.push({ start, end: start + store.durationOf(handler) });
  byDevice.set(track, handled);
  const packet = nearest(
    store,
    interrupt,
    (kind) => kind === Kind.PacketRx || isExit(kind) || ELSEWHERE.has(kind),
  );
  if (packet < 0 || store.kindOf(packet) !== Kind.PacketRx || own.has(packet)) return;
  own.set(packet, start);
}

/** When a handler of the device learns of what comes at a time: at once where one runs then. */
function handledAfter(handled: Handled, time: number): number | undefined {
  let [low, high] = [0, handled.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (handled[middle].start < time) low = middle + 1;
    else high = middle;
  }
  const running = low > 0 && handled[low - 1].end > time;
  return running ? time : handled[low]?.start;
}

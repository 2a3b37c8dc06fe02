/** The inside of links for a reader: what is under way on each wire, what waits at a switch's ports, and what the switch has learnt. */
import type { StateNode } from '../inspect';
import { hex, numberNode, textNode } from '../state-nodes';
import { addressAt, type AddressTableHardware } from './address-table';
import type { LaneHardware } from './lane';

/** A port of a switch as it is shown. */
export interface ShownPort {
  readonly inward: LaneHardware;
  readonly outward: LaneHardware;
  /** Frames of the output queue: `remaining` cycles until the last bit has left. */
  readonly queue: readonly { readonly bytes: number; readonly remaining: number }[];
  /** In frames. */
  readonly counters: { readonly received: number; readonly sent: number; readonly dropped: number };
}

const OCTETS = 6;

/** `52:54:00:12:34:56`. */
function macText(address: number): string {
  const digits = address.toString(16).padStart(2 * OCTETS, '0');
  return digits.match(/../g)?.join(':') ?? digits;
}

/** Frames on a wire, the next to arrive first. Times are in cycles from now. */
function laneNode(name: string, description: string, { inFlight, busy }: LaneHardware): StateNode {
  const frames = inFlight.map(({ frame, packet, remaining }): StateNode => {
    const way = `${macText(addressAt(frame, OCTETS))} to ${macText(addressAt(frame, 0))}`;
    return {
      ...textNode(`packet ${packet}`, `${frame.length} bytes, arrives in ${remaining} cycles`),
      description: `From ${way}.`,
    };
  });
  return {
    name,
    description,
    value: {
      kind: 'text',
      value: frames.length === 1 ? '1 frame under way' : `${frames.length} frames under way`,
    },
    children: [numberNode('busy for', busy, 'cycles'), ...frames],
  };
}

/** A cable by its two directions. */
export function cableNode(name: string, lanes: readonly LaneHardware[]): StateNode {
  return {
    name,
    description: 'A full-duplex wire between two stations.',
    children: lanes.map((lane, end) =>
      laneNode(
        `from end ${end}`,
        `What station ${end} has sent and station ${1 - end} has not received.`,
        lane,
      ),
    ),
  };
}

/** A switch by its ports and its table of addresses. */
export function switchNode(
  name: string,
  ports: readonly ShownPort[],
  addresses: AddressTableHardware,
): StateNode {
  return {
    name,
    description: 'An Ethernet switch (IEEE 802.1Q, clause 8).',
    children: [
      ...ports.map(({ inward, outward, queue, counters }, port): StateNode => {
        const waiting = queue.filter(({ remaining }) => remaining > 0);
        const bytes = waiting.reduce((sum, each) => sum + each.bytes, 0);
        return {
          name: `port ${port}`,
          children: [
            numberNode('received', counters.received, 'frames'),
            numberNode('sent', counters.sent, 'frames'),
            numberNode('dropped', counters.dropped, 'frames'),
            {
              ...textNode('output queue', `${waiting.length} frames, ${bytes} bytes`),
              description: 'Frames whose last bit has not left, the one that is being sent among them.',
            },
            laneNode('inward', 'From the station to the switch.', inward),
            laneNode('outward', 'From the switch to the station.', outward),
          ],
        };
      }),
      addressesNode(addresses),
    ],
  };
}

function addressesNode(addresses: AddressTableHardware): StateNode {
  return {
    name: 'MAC address table',
    description: 'Behind which port each station was last heard (8.8).',
    children: addresses.map(([address, port, silent]): StateNode => ({
      ...textNode(macText(address), `port ${port}, silent for ${silent} cycles`),
      description: `Station ${hex(address, 2 * OCTETS)}.`,
    })),
  };
}

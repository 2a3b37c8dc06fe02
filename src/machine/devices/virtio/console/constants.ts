/** Numbers of the console device (Virtual I/O Device specification 1.3, section 5.3). */

/** Feature bits (5.3.3). */
export const ConsoleFeature = { SIZE: 0, MULTIPORT: 1, EMERG_WRITE: 2 } as const;

/** Offsets in the configuration space (5.3.4), and its length. */
export const Config = { columns: 0, rows: 2, maxPorts: 4, emergencyWrite: 8, bytes: 12 } as const;

/** Control messages (5.3.6.2): the port, the event, its value. */
export const Message = { id: 0, event: 4, value: 6, bytes: 8 } as const;
export const Event = {
  DEVICE_READY: 0,
  DEVICE_ADD: 1,
  DEVICE_REMOVE: 2,
  PORT_READY: 3,
  CONSOLE_PORT: 4,
  RESIZE: 5,
  PORT_OPEN: 6,
  PORT_NAME: 7,
} as const;

/** Queues (5.3.2): port 0 has the first pair, the control messages the second, the other ports those that follow. */
export const CONTROL_RECEIVE = 2;
export const CONTROL_TRANSMIT = 3;

/** The receive queue of a port; its transmit queue is the next one. */
export function receiveQueueOf(port: number): number {
  return port === 0 ? 0 : 2 + 2 * port;
}

/** The port of a queue that is none of the control queues. */
export function portOf(queue: number): number {
  return queue < CONTROL_RECEIVE ? 0 : (queue >> 1) - 1;
}

/** Why the device needs a reset. */
export const ConsoleFault = { BadMessage: 0x100 } as const;
/** In words, for the trace. */
export const consoleReasons: Readonly<Record<string, string>> = {
  [ConsoleFault.BadMessage]: 'a control message is too short',
};

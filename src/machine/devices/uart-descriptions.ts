/** What the registers of a 16550 mean (PC16550D data sheet, table 2 and section 8). */
import { choice, flag } from '../../trace/vocabulary/bit-fields';
import type { RegisterDescriptions, RegisterPlace } from '../registers';

const identifications = ['modem status', 'transmitter empty', 'received data', 'line status'];

/** By register name. Those that share a port are told apart by who accesses it, and by DLAB. */
export const uartDescriptions: RegisterDescriptions = {
  RBR: { meaning: 'Receiver buffer: the byte that a read gives.' },
  THR: { meaning: 'Transmitter holding: the byte to send.' },
  IER: {
    meaning: 'Interrupt enable (8.6).',
    fields: [
      flag('received data (ERBFI)', 0),
      flag('transmitter empty (ETBEI)', 1),
      flag('line status (ELSI)', 2),
      flag('modem status (EDSSI)', 3),
    ],
  },
  IIR: {
    meaning: 'Interrupt identification (8.5).',
    fields: [
      flag('none is pending', 0),
      choice('cause', 1, 2, identifications),
      flag('character timeout', 3),
      choice('FIFOs', 6, 7, ['off', 'reserved', 'reserved', 'on']),
    ],
  },
  FCR: {
    meaning: 'FIFO control (8.4).',
    fields: [
      flag('FIFOs on', 0),
      flag('clear the receiver FIFO', 1),
      flag('clear the transmitter FIFO', 2),
      flag('DMA mode', 3),
      choice('receiver trigger', 6, 7, ['1 byte', '4 bytes', '8 bytes', '14 bytes']),
    ],
  },
  LCR: {
    meaning: 'Line control (8.1).',
    fields: [
      choice('word length (WLS)', 0, 1, ['5 bits', '6 bits', '7 bits', '8 bits']),
      flag('more than one stop bit (STB)', 2),
      flag('parity (PEN)', 3),
      flag('even parity (EPS)', 4),
      flag('stick parity', 5),
      flag('break', 6),
      flag('divisor latch access (DLAB)', 7),
    ],
  },
  MCR: {
    meaning: 'Modem control (8.7).',
    fields: [flag('DTR', 0), flag('RTS', 1), flag('OUT 1', 2), flag('OUT 2', 3), flag('loopback', 4)],
  },
  LSR: {
    meaning: 'Line status (8.3).',
    fields: [
      flag('data ready (DR)', 0),
      flag('overrun (OE)', 1),
      flag('parity error (PE)', 2),
      flag('framing error (FE)', 3),
      flag('break (BI)', 4),
      flag('holding register empty (THRE)', 5),
      flag('transmitter empty (TEMT)', 6),
      flag('error in the FIFO', 7),
    ],
  },
  MSR: {
    meaning: 'Modem status (8.8).',
    fields: [
      flag('CTS changed', 0),
      flag('DSR changed', 1),
      flag('RI ended', 2),
      flag('DCD changed', 3),
      flag('CTS', 4),
      flag('DSR', 5),
      flag('RI', 6),
      flag('DCD', 7),
    ],
  },
  SCR: { meaning: 'Scratch: keeps what is written.' },
  DLL: { meaning: 'Divisor latch, bits 7 to 0: in the place of RBR and THR while DLAB is set.' },
  DLM: { meaning: 'Divisor latch, bits 15 to 8: in the place of IER while DLAB is set.' },
};

/** Where they are, by the offset of the port. */
export const uartRegisters: readonly RegisterPlace[] = [
  ['RBR', 0],
  ['THR', 0],
  ['DLL', 0],
  ['IER', 1],
  ['DLM', 1],
  ['IIR', 2],
  ['FCR', 2],
  ['LCR', 3],
  ['MCR', 4],
  ['LSR', 5],
  ['MSR', 6],
  ['SCR', 7],
];

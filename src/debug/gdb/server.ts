/** `trapline gdbserver` on a socket: one GDB at a time, on this computer only, in front of the thread that simulates. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { RunJob } from '../../protocol/run';
import { GdbLink } from './link';
import type { GdbWorkerInput, GdbWorkerMessage, GdbWorkerRequest } from './messages';
import { GdbSignals } from './signals';

/** The guest has access to the machine, and so has who debugs it: nobody from elsewhere is let in. */
const LOOPBACK = '127.0.0.1';
/** Packets that may wait for their replies. GDB sends one at a time. */
const MOST_WAITING = 100;

export interface GdbServerOptions {
  readonly job: RunJob;
  /** Folder of `gdb-worker.js`. */
  readonly distDir: string;
  /** Position of the VM whose vCPUs are GDB's threads. */
  readonly vm: number;
  /** 0: any that is free. */
  readonly port: number;
  /** GDB may connect. `note`: what it will show wrongly. */
  readonly listening: (port: number, vmNames: readonly string[], note: string | undefined) => void;
  readonly serial: (vm: number, text: string) => void;
  /** A line about what happens, for the user. */
  readonly log: (line: string) => void;
  /** Ends it all. */
  readonly signal: AbortSignal;
}

/** How a session ended. */
export interface GdbSessionEnd {
  /** The worst of the guests' exit codes. */
  readonly exitCode: number;
  readonly message?: string;
}

/**
 * Serves GDBs one after the other until one detaches, and the run has come to its end without it, or kills the run.
 * @throws Error with a message for a reader when the port is taken, the job cannot be built, or the thread fails
 */
export function serveGdb(options: GdbServerOptions): Promise<GdbSessionEnd> {
  return new Promise((resolve, reject) => new GdbServer(options, resolve, reject));
}

class GdbServer {
  private readonly signals = new GdbSignals();
  private readonly worker: Worker;
  private readonly server: Server;
  private connection: { readonly socket: Socket; readonly link: GdbLink; readonly since: number } | undefined;
  /** Numbers of packets: the latest, and the latest that was served. */
  private posted = 0;
  private served = 0;
  private isOver = false;
  private isLeaving = false;

  constructor(
    private readonly options: GdbServerOptions,
    private readonly resolve: (end: GdbSessionEnd) => void,
    private readonly reject: (error: Error) => void,
  ) {
    const { job, vm, distDir, signal } = options;
    const input: GdbWorkerInput = { job, vm, signals: this.signals.memory };
    this.worker = new Worker(join(distDir, 'gdb-worker.js'), { workerData: input });
    this.worker.on('message', (message: GdbWorkerMessage) => this.heard(message));
    this.worker.on('error', (error: Error) => this.fail(error));
    this.worker.on('exit', (code) =>
      this.fail(new Error(`the thread that simulates ended with code ${code}`)),
    );
    this.server = createServer((socket) => this.connected(socket));
    this.server.on('error', (error) => this.fail(error));
    if (signal.aborted) this.abort();
    else signal.addEventListener('abort', this.abort, { once: true });
  }

  private heard(message: GdbWorkerMessage): void {
    switch (message.type) {
      case 'ready':
        return this.listen(message.vmNames, message.note);
      case 'send':
        return this.current()?.send(message.payload);
      case 'served':
        return this.reply(message);
      case 'serial':
        return this.options.serial(message.vm, message.text);
      case 'over':
        return this.over(message);
      case 'fault':
        return this.options.log(`internal error, the packet was refused: ${message.message}`);
    }
  }

  private listen(vmNames: readonly string[], note: string | undefined): void {
    if (this.isOver) return;
    this.server.listen(this.options.port, LOOPBACK, () =>
      this.options.listening((this.server.address() as AddressInfo).port, vmNames, note),
    );
  }

  private connected(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    if (this.connection || this.isLeaving || this.isOver) {
      this.options.log('another GDB wants to connect, and is turned away: one at a time');
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    const link = new GdbLink({
      write: (bytes) => void socket.write(bytes),
      packet: (payload) => this.take(payload, socket),
      interrupt: () => this.interrupt(),
    });
    this.connection = { socket, link, since: this.posted };
    this.tell({ type: 'connect' });
    socket.on('data', (bytes) => link.receive(bytes));
    socket.on('close', () => this.lost(socket));
  }

  private take(payload: string, socket: Socket): void {
    if (this.posted - this.served >= MOST_WAITING) {
      socket.destroy();
      return;
    }
    this.posted += 1;
    this.tell({ type: 'packet', number: this.posted, payload });
  }

  private tell(request: GdbWorkerRequest): void {
    this.worker.postMessage(request);
  }

  /** While nothing moves there is nothing to interrupt. */
  private interrupt(): void {
    if (this.served < this.posted) this.signals.interrupt(this.posted);
  }

  private reply({ number, payload, leaves }: Extract<GdbWorkerMessage, { type: 'served' }>): void {
    const link = this.current();
    this.served = number;
    if (payload !== undefined && this.connection && number > this.connection.since) link?.send(payload);
    if (leaves === undefined) return;
    this.isLeaving = true;
    if (leaves === 'detach') this.options.log('GDB has detached; the run goes on without it');
    this.connection?.socket.end();
    this.server.close();
  }

  /** The line, where what is served now is of this connection and not of one before. */
  private current(): GdbLink | undefined {
    return this.connection && this.served >= this.connection.since ? this.connection.link : undefined;
  }

  /** GDB has gone away without a word: the run stands, and another may connect. */
  private lost(socket: Socket): void {
    if (this.connection?.socket !== socket) return;
    this.connection = undefined;
    this.interrupt();
    if (!this.isOver && !this.isLeaving)
      this.options.log('the connection has ended; the run waits for another');
  }

  private over({ exitCode, message }: Extract<GdbWorkerMessage, { type: 'over' }>): void {
    this.close();
    this.resolve({ exitCode, ...(message !== undefined && { message }) });
  }

  private readonly abort = (): void => {
    this.close();
    this.resolve({ exitCode: 0, message: 'stopped by the user' });
  };

  private fail(error: Error): void {
    if (this.isOver) return;
    this.close();
    this.reject(error);
  }

  private close(): void {
    this.isOver = true;
    this.options.signal.removeEventListener('abort', this.abort);
    // What was sent last is to arrive.
    this.connection?.socket.end();
    this.server.close();
    void this.worker.terminate();
  }
}

/** Entry point of the thread that simulates for `trapline gdbserver`: a run, and the stub that serves packets over it. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { ControlledRun } from '../../run/control/controlled-run';
import type { GdbWorkerInput, GdbWorkerMessage, GdbWorkerRequest } from './messages';
import { GdbSignals } from './signals';
import { GdbStub } from './stub';
import { modeNote, targetFor } from './target';

function serve(port: MessagePort, { job, vm, signals }: GdbWorkerInput): void {
  const post = (message: GdbWorkerMessage): void => port.postMessage(message);
  const flags = new GdbSignals(signals);
  const run = new ControlledRun(job, {
    serial: (from, text) => post({ type: 'serial', vm: from, text }),
    streams: false,
    interrupt: signals,
  });
  const stub = new GdbStub(run, {
    vm,
    send: (payload) => post({ type: 'send', payload }),
    fault: (error) =>
      post({
        type: 'fault',
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
  });
  const vmNames = run.meta().facts.vms.map(({ name }) => name);
  const first = run.cpus.find((each) => each.vm === vm)?.index ?? 0;
  const { mode } = run.registers(first);
  const note = modeNote(targetFor(mode), mode);
  post({ type: 'ready', vmNames, ...(note !== undefined && { note }) });

  const end = (): void => {
    const { end: last } = run.end();
    const { message, facts } = last.meta;
    const exitCode = facts.vms.reduce((worst, each) => Math.max(worst, each.exitCode ?? 0), 0);
    post({ type: 'over', exitCode, ...(message !== undefined && { message }) });
    port.close();
  };
  port.on('message', (request: GdbWorkerRequest) => {
    if (request.type === 'connect') return stub.connect();
    flags.serving(request.number);
    const reply = stub.handle(request.payload);
    post({ type: 'served', number: request.number, ...reply });
    if (reply.leaves === 'detach') run.forward();
    if (reply.leaves !== undefined) end();
  });
}

if (parentPort) serve(parentPort, workerData as GdbWorkerInput);
